"""From a runtime sequence to the instruction stream that aiecc of mlir-aie@97962964 writes for it, byte for byte.

Which descriptors a task gets: AIEAssignRuntimeSequenceBDIDs.cpp. The order of writes, patches and queue pushes:
AIEDMATasksToNPU.cpp.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from kernels.array.design import ITEM_BYTES, Block, Design, Dim, Free, Sequence, Start, Step, Transfer
from kernels.array.lower.shim_registers import (
    CONTROLLER,
    CONTROLLER_MASK,
    DESCRIPTORS,
    DIRECTIONS,
    WORD_BYTES,
    Channel,
    bd_address,
    bd_words,
    queue_word,
)
from kernels.array.lower.stream import Descriptor, Task, Wait, channels
from kernels.array.lower.transaction import BlockWrite, Instruction, MaskWrite, Patch, Stream, Sync, Write, assemble
from kernels.array.pattern import Pattern, pattern, unfolded
from kernels.errors import DesignError


def encode(design: Design, sequence: Sequence) -> bytes:
    """The instruction stream of one of the design's sequences.

    Raises DesignError, naming the task, for what the chip or the compiler cannot do.
    """
    return _assembled(design, planned(design, sequence))


def encode_all(design: Design) -> dict[str, bytes]:
    """The instruction streams of all sequences by name. Raises DesignError as ``encode`` does."""
    plan = _Plan(channels(design))
    return {sequence.name: _assembled(design, plan.steps(sequence)) for sequence in design.sequences}


def planned(design: Design, sequence: Sequence) -> tuple[Task | Wait, ...]:
    """The tasks and waits of one of the design's sequences, with the descriptors that aiecc gives them.

    Descriptors are handed out through all sequences of a design in their order: what one leaves behind, the next ones
    lack. Raises DesignError.
    """
    plan = _Plan(channels(design))
    for other in design.sequences:
        if other is sequence:
            return tuple(plan.steps(sequence))
        plan.skip(other)
    raise DesignError(f"Sequence {sequence.name} is not one of design {design.name}.")


def _assembled(design: Design, steps: Iterable[Task | Wait]) -> bytes:
    instructions: list[Instruction] = []
    for step in steps:
        instructions += _start(step) if isinstance(step, Task) else [_wait(step)]
    return assemble(Stream(design.columns, tuple(instructions)))


@contextmanager
def _naming(sequence: Sequence, step: Step) -> Iterator[None]:
    """Errors within say which step of the sequence they are about."""
    try:
        yield
    except (KeyError, ValueError, DesignError) as error:
        what = f"There is no {error}." if isinstance(error, KeyError) else str(error)
        place = f"Sequence {sequence.name}, {type(step).__name__.lower()} of task {step.task}"
        raise DesignError(f"{place}: {what}") from None


class _Plan:
    """The descriptors in use, from sequence to sequence."""

    def __init__(self, of_fifo: dict[str, Channel]) -> None:
        self.channels = of_fifo
        self.used: dict[int, set[int]] = defaultdict(set)

    def steps(self, sequence: Sequence) -> Iterator[Task | Wait]:
        arguments = {name: (number, block) for number, (name, block) in enumerate(sequence.arguments)}
        started: dict[str, Task] = {}
        for step in sequence.steps:
            with _naming(sequence, step):
                found = self.step(step, started, arguments)
            if found is not None:
                yield found

    def step(self, step: Step, started: dict[str, Task], arguments: dict[str, tuple[int, Block]]) -> Task | Wait | None:
        if isinstance(step, Start):
            if step.task in started:
                raise DesignError("Two tasks of one name.")
            started[step.task] = self.task(unfolded(step), arguments)
            return started[step.task]
        task = started[step.task]
        self.used[task.channel.column] -= {one.bd for one in task.chain}
        if isinstance(step, Free):
            return None
        if not task.token:
            raise DesignError("It issues no token.")
        return Wait(task.channel)

    def skip(self, sequence: Sequence) -> None:
        """Hand out and take back the descriptors of a sequence, and no more."""
        held: dict[str, tuple[int, list[int]]] = {}
        for step in sequence.steps:
            with _naming(sequence, step):
                if isinstance(step, Start):
                    column = self.channels[step.fifo].column
                    held[step.task] = column, self.take(column, len(step.transfers))
                else:
                    column, bds = held[step.task]
                    self.used[column].difference_update(bds)

    def task(self, start: Start, arguments: dict[str, tuple[int, Block]]) -> Task:
        channel = self.channels[start.fifo]
        chain = tuple(
            Descriptor(bd, arguments[one.argument][0], _words(one, start.repeat, arguments[one.argument][1]))
            for one, bd in zip(start.transfers, self.take(channel.column, len(start.transfers)), strict=True)
        )
        if not chain:
            raise DesignError("A task of no transfers.")
        task = Task(channel, chain, start.repeat, start.token)
        list(_start(task))  # what a descriptor cannot hold, said here where the task has a name
        return task

    def take(self, column: int, count: int) -> list[int]:
        """The lowest free descriptors of a shim."""
        free = [bd for bd in range(DESCRIPTORS) if bd not in self.used[column]][:count]
        if len(free) < count:
            raise DesignError(
                f"All {DESCRIPTORS} descriptors of column {column} are in use; await or free tasks first."
            )
        self.used[column].update(free)
        return free


def _words(transfer: Transfer, repeat: int, block: Block) -> Pattern:
    """What a transfer visits, in 32-bit words of its argument."""
    item, visits = ITEM_BYTES[block.dtype], pattern(transfer)
    if visits.step.size not in (1, repeat + 1):
        raise DesignError(f"{visits.step.size} steps of {transfer.argument} for {repeat + 1} passes.")
    end = visits.extent(repeat + 1)[1]
    if end > block.elements:
        raise DesignError(f"It reaches element {end - 1} of {transfer.argument}, which has {block.elements}.")
    if item == WORD_BYTES:
        return visits
    *outer, inner = visits.dims or (Dim(visits.length, 1),)
    counts = [visits.offset, visits.length, inner.size, visits.step.stride, *(dim.stride for dim in outer)]
    if inner.stride != 1 or any(count * item % WORD_BYTES for count in counts):
        raise DesignError(f"{transfer} does not move whole 32-bit words of elements that lie side by side.")
    dims = [Dim(dim.size, dim.stride * item // WORD_BYTES) for dim in outer] + [Dim(inner.size * item // WORD_BYTES, 1)]
    step = Dim(visits.step.size, visits.step.stride * item // WORD_BYTES)
    offset, length = visits.offset * item // WORD_BYTES, visits.length * item // WORD_BYTES
    return Pattern(offset, length, tuple(dims) if visits.dims else (), step)


def _start(task: Task) -> Iterator[Instruction]:
    for number, one in enumerate(task.chain):
        following = task.chain[number + 1].bd if number + 1 < len(task.chain) else None
        words = bd_words(one.pattern, following)
        address = bd_address(task.channel.column, one.bd)
        yield BlockWrite(address, words)
        yield Patch(address + 4, one.argument, words[1])
    if task.token:
        yield MaskWrite(task.channel.control, CONTROLLER, CONTROLLER_MASK)
    yield Write(task.channel.queue, queue_word(task.chain[0].bd, task.repeat, task.token))


def _wait(wait: Wait) -> Sync:
    return Sync(wait.channel.column, 0, DIRECTIONS.index(wait.channel.direction), wait.channel.number)
