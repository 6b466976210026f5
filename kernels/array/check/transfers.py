"""Check that a shim descriptor can hold a transfer, and that the chip then moves the elements that the transfer names.

The limits are mlir-aie's (AIEXDialect.cpp, verifyStridesWraps and NpuWriteBdOp; AIEDMATasksToNPU.cpp@97962964). Three
faults are checked that mlir-aie does not report: a fourth dimension without a task that repeats runs once, a repeat
written as a fourth dimension of stride 0 is dropped in a chain, and an innermost stride of two 16-bit elements reads
neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from kernels.array.hardware import ARGUMENT_BYTES, MAX_STEPS, SHIM, WORD_BYTES
from kernels.array.sequence import Transfer
from kernels.array.tile import ITEM_BYTES, Block, Dim
from kernels.errors import Violation


def violations(where: str, transfer: Transfer, argument: Block, repeat: int) -> Iterator[Violation]:
    """Yield the faults of one DRAM transfer, in a task that runs ``repeat`` + 1 times.

    ``argument`` is the launch argument that the transfer reads or writes; ``where`` is the place that violations name.
    """
    inner, outer = transfer.dims[-3:], transfer.dims[:-3]
    wrong_sizes = any(dim.size < 1 or dim.stride < 0 for dim in transfer.dims)
    if transfer.length < 1 or transfer.offset < 0 or wrong_sizes:
        limit = "lengths and sizes are 1 or more, offsets and strides 0 or more"
        yield Violation(where, "transfer", f"{transfer}", limit, "Correct the numbers")
        return
    if len(outer) > 1:
        limit = f"a shim has {SHIM.dims} and the step between repeats"
        yield Violation(
            where, "dimensions", f"{len(transfer.dims)} dimensions", limit, "Use several transfers or tasks"
        )
        return
    if inner and math.prod(dim.size for dim in inner) != transfer.length:
        found = f"length {transfer.length:,}, but dimensions of {'x'.join(str(dim.size) for dim in inner)}"
        limit = "the inner three dimensions make the length"
        yield Violation(where, "length", found, limit, "Correct one of them; the fourth does not count")
    yield from _granularity(where, transfer, argument)
    yield from _wraps(where, inner, argument)
    for step in outer:
        yield from _step(where, step, argument, repeat)
    yield from _bounds(where, transfer, argument)


def _granularity(where: str, transfer: Transfer, argument: Block) -> Iterator[Violation]:
    item = ITEM_BYTES[argument.dtype]
    limit, cure = f"multiples of {WORD_BYTES} bytes", "Pad the data, or move pairs of elements"
    for name, elements in (("offset", transfer.offset), ("length", transfer.length)):
        if elements * item % WORD_BYTES:
            yield Violation(where, name, f"{elements:,} elements of {item} bytes", limit, cure)
    inner = transfer.dims[-3:]
    for number, dim in enumerate(reversed(inner)):
        if dim.size > 1 and dim.stride < 1:
            found = f"stride 0 in dimension {number}"
            yield Violation(where, "stride", found, "only the step between repeats may be 0", "Repeat the task")
        elif number == 0:
            yield from _innermost(where, dim, item)
        elif dim.size > 1 and dim.stride * item % WORD_BYTES:
            yield Violation(where, "stride", f"{dim.stride:,} elements of {item} bytes", limit, cure)


def _innermost(where: str, dim: Dim, item: int) -> Iterator[Violation]:
    if item < WORD_BYTES and dim.size > 1 and dim.stride != 1:
        found, limit = (
            f"innermost stride {dim.stride} of {item}-byte elements",
            f"the DMA moves words of {WORD_BYTES} bytes",
        )
        yield Violation(where, "stride", found, limit, "Make the innermost stride 1")
    if dim.size * item % WORD_BYTES:
        found, limit = f"innermost run of {dim.size} elements of {item} bytes", f"multiples of {WORD_BYTES} bytes"
        yield Violation(where, "length", found, limit, "Make the innermost dimension longer")


def _wraps(where: str, inner: tuple[Dim, ...], argument: Block) -> Iterator[Violation]:
    item = ITEM_BYTES[argument.dtype]
    if not contiguous(inner):
        for number, dim in enumerate(reversed(inner)):
            steps = -(-dim.size * item // WORD_BYTES) if number == 0 else dim.size
            if number < SHIM.dims - 1 and steps > SHIM.wrap:
                found = f"{steps:,} {'words' if number == 0 else 'steps'} in dimension {number}"
                yield Violation(where, "size", found, f"at most {SHIM.wrap:,}", "Split the dimension in two")
    for dim in inner:
        if dim.size > 1 and dim.stride * item > SHIM.step_words * WORD_BYTES:
            found, limit = f"{dim.stride:,} elements of {item} bytes", f"at most {SHIM.step_words:,} words"
            yield Violation(where, "stride", found, limit, "Use several transfers")


def contiguous(inner: tuple[Dim, ...]) -> bool:
    """Return whether the dimensions are one contiguous run; the DMA counts such a run without a limit of size."""
    expected = 1
    for dim in reversed(inner):
        if dim.size > 1 and dim.stride != expected:
            return False
        expected *= dim.size
    return True


def _step(where: str, step: Dim, argument: Block, repeat: int) -> Iterator[Violation]:
    if step.size == 1:
        return
    item = ITEM_BYTES[argument.dtype]
    if step.size != repeat + 1:
        found, limit = f"a step of {step.size} passes in a task of {repeat + 1}", "mlir-aie does not repeat by itself"
        yield Violation(where, "repeat", found, limit, f"Give the task repeat={step.size - 1}")
    if step.size > MAX_STEPS:
        yield Violation(where, "repeat", f"{step.size} passes", f"a step counts to {MAX_STEPS}", "Use several tasks")
    if step.stride == 0:
        limit = "mlir-aie drops a repeat in place that is written as a dimension"
        yield Violation(where, "repeat", "a fourth dimension of stride 0", limit, "Leave it out: repeat does it")
    if step.stride * item % WORD_BYTES or step.stride * item > SHIM.step_words * WORD_BYTES:
        limit = f"a multiple of {WORD_BYTES} bytes, at most {SHIM.step_words:,} words"
        yield Violation(where, "stride", f"{step.stride:,} elements of {item} bytes", limit, "Use several tasks")


def _bounds(where: str, transfer: Transfer, argument: Block) -> Iterator[Violation]:
    shape = transfer.dims or (Dim(transfer.length, 1),)
    last = transfer.offset + sum((dim.size - 1) * dim.stride for dim in shape)
    if last >= argument.elements:
        found, limit = f"reaches element {last:,}", f"argument {transfer.argument} has {argument.elements:,}"
        yield Violation(where, "bounds", found, limit, "Correct offset or strides, or lengthen the argument")
    elif last * ITEM_BYTES[argument.dtype] >= ARGUMENT_BYTES:
        found, limit = f"reaches byte {last * ITEM_BYTES[argument.dtype]:,}", f"an argument has {ARGUMENT_BYTES:,}"
        yield Violation(where, "bounds", found, limit, "Split the argument")
