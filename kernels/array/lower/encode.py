"""The encoder of runtime sequences to instruction streams, byte for byte as aiecc of mlir-aie@97962964 writes them.

The assignment of descriptors to tasks follows AIEAssignRuntimeSequenceBDIDs.cpp, the order of writes, patches and queue
pushes AIEDMATasksToNPU.cpp.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from kernels.array.design import Design
from kernels.array.hardware import SHIM, WORD_BYTES
from kernels.array.lower.shim_registers import (
    CONTROLLER,
    CONTROLLER_MASK,
    DMA_DIRECTIONS,
    ShimChannel,
    bd_address,
    bd_words,
    queue_word,
)
from kernels.array.lower.stream import Descriptor, ShimTask, Wait, channels
from kernels.array.lower.transaction import (
    BlockWrite,
    Instruction,
    InstructionStream,
    MaskWrite,
    Patch,
    Sync,
    Write,
    assemble,
)
from kernels.array.pattern import Pattern, pattern, unfolded
from kernels.array.sequence import Free, Sequence, Start, Step, Transfer
from kernels.array.tile import ITEM_BYTES, Block, Dim
from kernels.errors import DesignError


def encode(design: Design, sequence: Sequence) -> bytes:
    """Return the instruction stream, as bytes, of one of the design's sequences.

    >>> design = ENTRIES["mel_80"].make(())  # kernels.registry
    >>> stream = encode(design, design.sequences[0])

    Raises DesignError for a transfer or task that the chip or the compiler cannot do; the message names the task.
    """
    return _assembled(design, planned(design, sequence))


def encode_all(design: Design) -> dict[str, bytes]:
    """Return the instruction streams of all sequences of a design, by name of the sequence.

    Raises DesignError as ``encode`` does.
    """
    plan = _DescriptorPlan(channels(design))
    return {sequence.name: _assembled(design, plan.steps(sequence)) for sequence in design.sequences}


def planned(design: Design, sequence: Sequence) -> tuple[ShimTask | Wait, ...]:
    """Return the tasks and waits of one of the design's sequences, with the DMA descriptors that aiecc assigns to them.

    aiecc assigns descriptors through all sequences of a design in order: a descriptor that one sequence does not give
    back is missing in the following ones. Raises DesignError as ``encode`` does, and for a sequence of another design.
    """
    plan = _DescriptorPlan(channels(design))
    for other in design.sequences:
        if other is sequence:
            return tuple(plan.steps(sequence))
        plan.skip(other)
    raise DesignError(f"Sequence {sequence.name} is not one of design {design.name}.")


def _assembled(design: Design, steps: Iterable[ShimTask | Wait]) -> bytes:
    instructions: list[Instruction] = []
    for step in steps:
        instructions += _start(step) if isinstance(step, ShimTask) else [_wait(step)]
    return assemble(InstructionStream(design.columns, tuple(instructions)))


@contextmanager
def _naming(sequence: Sequence, step: Step) -> Iterator[None]:
    """Turn errors inside the ``with`` block into DesignErrors whose message names this step of the sequence."""
    try:
        yield
    except (KeyError, ValueError, DesignError) as error:
        what = f"There is no {error}." if isinstance(error, KeyError) else str(error)
        place = f"Sequence {sequence.name}, {type(step).__name__.lower()} of task {step.task}"
        raise DesignError(f"{place}: {what}") from None


class _DescriptorPlan:
    """An allocator of shim DMA descriptors, which assigns them to the tasks of sequences as aiecc does.

    ``used`` has the numbers of the descriptors in use by column; it is carried from sequence to sequence.
    """

    def __init__(self, channel_of_fifo: dict[str, ShimChannel]) -> None:
        self.channels = channel_of_fifo
        self.used: dict[int, set[int]] = defaultdict(set)

    def steps(self, sequence: Sequence) -> Iterator[ShimTask | Wait]:
        arguments = {name: (number, block) for number, (name, block) in enumerate(sequence.arguments)}
        started: dict[str, ShimTask] = {}
        for step in sequence.steps:
            with _naming(sequence, step):
                found = self.step(step, started, arguments)
            if found is not None:
                yield found

    def step(
        self, step: Step, started: dict[str, ShimTask], arguments: dict[str, tuple[int, Block]]
    ) -> ShimTask | Wait | None:
        if isinstance(step, Start):
            if step.task in started:
                raise DesignError("Two tasks of one name.")
            started[step.task] = self.task(unfolded(step), arguments)
            return started[step.task]
        task = started[step.task]
        self.used[task.channel.column] -= {descriptor.bd for descriptor in task.chain}
        if isinstance(step, Free):
            return None
        if not task.token:
            raise DesignError("It issues no token.")
        return Wait(task.channel)

    def skip(self, sequence: Sequence) -> None:
        """Take and free the descriptors that a sequence uses, so that those of later sequences are numbered correctly.

        The tasks of the sequence are not built.
        """
        held: dict[str, tuple[int, list[int]]] = {}
        for step in sequence.steps:
            with _naming(sequence, step):
                if isinstance(step, Start):
                    column = self.channels[step.fifo].column
                    held[step.task] = column, self.take(column, len(step.transfers))
                else:
                    column, bds = held[step.task]
                    self.used[column].difference_update(bds)

    def task(self, start: Start, arguments: dict[str, tuple[int, Block]]) -> ShimTask:
        channel = self.channels[start.fifo]
        chain = tuple(
            _descriptor(bd, transfer, start.repeat, arguments)
            for transfer, bd in zip(start.transfers, self.take(channel.column, len(start.transfers)), strict=True)
        )
        if not chain:
            raise DesignError("A task of no transfers.")
        task = ShimTask(channel, chain, start.repeat, start.token)
        list(_start(task))  # raises here, where the task has a name, if a descriptor cannot hold a transfer
        return task

    def take(self, column: int, count: int) -> list[int]:
        """Reserve the ``count`` lowest free descriptors of the shim of a column, and return their numbers."""
        free = [bd for bd in range(SHIM.descriptors) if bd not in self.used[column]][:count]
        if len(free) < count:
            raise DesignError(
                f"All {SHIM.descriptors} descriptors of column {column} are in use; await or free tasks first."
            )
        self.used[column].update(free)
        return free


def _descriptor(bd: int, transfer: Transfer, repeat: int, arguments: dict[str, tuple[int, Block]]) -> Descriptor:
    number, block = arguments[transfer.argument]
    return Descriptor(bd, number, _words(transfer, repeat, block))


def _words(transfer: Transfer, repeat: int, block: Block) -> Pattern:
    """Return a transfer's access pattern counted in 32-bit words; ``block`` is the type of its launch argument."""
    item, elements = ITEM_BYTES[block.dtype], pattern(transfer)
    if elements.step.size not in (1, repeat + 1):
        raise DesignError(f"{elements.step.size} steps of {transfer.argument} for {repeat + 1} passes.")
    end = elements.extent(repeat + 1)[1]
    if end > block.elements:
        raise DesignError(f"It reaches element {end - 1} of {transfer.argument}, which has {block.elements}.")
    if item == WORD_BYTES:
        return elements
    *outer, inner = elements.dims or (Dim(elements.length, 1),)
    counts = [elements.offset, elements.length, inner.size, elements.step.stride, *(dim.stride for dim in outer)]
    if inner.stride != 1 or any(count * item % WORD_BYTES for count in counts):
        raise DesignError(f"{transfer} does not move whole 32-bit words of elements that lie side by side.")
    dims = [Dim(dim.size, dim.stride * item // WORD_BYTES) for dim in outer] + [Dim(inner.size * item // WORD_BYTES, 1)]
    step = Dim(elements.step.size, elements.step.stride * item // WORD_BYTES)
    offset, length = elements.offset * item // WORD_BYTES, elements.length * item // WORD_BYTES
    return Pattern(offset, length, tuple(dims) if elements.dims else (), step)


def _start(task: ShimTask) -> Iterator[Instruction]:
    for number, descriptor in enumerate(task.chain):
        following = task.chain[number + 1].bd if number + 1 < len(task.chain) else None
        words = bd_words(descriptor.pattern, following)
        address = bd_address(task.channel.column, descriptor.bd)
        yield BlockWrite(address, words)
        yield Patch(address + 4, descriptor.argument, words[1])
    if task.token:
        yield MaskWrite(task.channel.control, CONTROLLER, CONTROLLER_MASK)
    yield Write(task.channel.queue, queue_word(task.chain[0].bd, task.repeat, task.token))


def _wait(wait: Wait) -> Sync:
    return Sync(wait.channel.column, 0, DMA_DIRECTIONS.index(wait.channel.direction), wait.channel.number)
