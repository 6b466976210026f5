"""What the controller does with the shim: tasks on channels, and waits for their tokens.

This is the form in which a runtime sequence is run. ``tasks_of`` makes it straight from a ``Sequence``; an instruction
stream, decoded, comes to the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kernels.array.dma import Pattern, pattern, unfolded
from kernels.array.program import ITEM_BYTES, Block, Design, Dim, Free, Sequence, Start, Transfer
from kernels.errors import DesignError

Direction = Literal["MM2S", "S2MM"]
Channel = tuple[int, Direction, int]  # column, direction, number; MM2S goes from DDR into the array
WORD_BYTES = 4
DESCRIPTORS = 16  # of a shim tile (mlir-aie AIETargetModel.h@97962964)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One buffer descriptor: which 32-bit words of launch argument number ``argument`` go through the channel."""

    bd: int
    argument: int
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Task:
    """A chain of descriptors, run ``repeat`` + 1 times; with ``token``, one token when all of it has ended."""

    column: int
    direction: Direction
    channel: int
    chain: tuple[Descriptor, ...]
    repeat: int
    token: bool

    @property
    def where(self) -> Channel:
        return self.column, self.direction, self.channel


@dataclass(frozen=True, slots=True)
class Wait:
    """Go on when one more token of the channel has come in."""

    column: int
    direction: Direction
    channel: int

    @property
    def where(self) -> Channel:
        return self.column, self.direction, self.channel


def channels(design: Design) -> dict[str, Channel]:
    """The shim channel of every FIFO with an end in row 0.

    Channels of a tile are numbered in the order of the FIFOs, each direction by itself
    (AIEObjectFifoStatefulTransform.cpp assignDMAChannelIndices@97962964).
    """
    taken: dict[tuple[int, Direction], int] = {}
    result: dict[str, Channel] = {}

    def take(name: str, column: int, direction: Direction) -> None:
        number = taken.get((column, direction), 0)
        taken[column, direction] = number + 1
        result[name] = (column, direction, number)

    for fifo in design.fifos:
        if fifo.source.kind == "shim":
            take(fifo.name, fifo.source.col, "MM2S")
        for target in fifo.targets:
            if target.kind == "shim":
                take(fifo.name, target.col, "S2MM")
    return result


def tasks_of(design: Design, sequence: Sequence) -> tuple[Task | Wait, ...]:
    """The steps of a sequence as tasks and waits; descriptors get the lowest free number of their column.

    Raises DesignError where more than 16 descriptors of a column are in use, and for a transfer that is not made of
    whole 32-bit words.
    """
    where = channels(design)
    blocks = dict(sequence.arguments)
    numbers = {name: i for i, (name, _) in enumerate(sequence.arguments)}
    held: dict[str, tuple[Channel, tuple[int, ...]]] = {}
    result: list[Task | Wait] = []
    for step in sequence.steps:
        if isinstance(step, Start):
            channel = where[step.fifo]
            start = unfolded(step)
            free = _free(held, channel[0], len(start.transfers), step.task)
            held[step.task] = (channel, free)
            chain = tuple(
                Descriptor(bd, numbers[transfer.argument], _words(transfer, blocks[transfer.argument]))
                for bd, transfer in zip(free, start.transfers, strict=True)
            )
            result.append(Task(*channel, chain, start.repeat, step.token))
        else:
            channel, _ = held.pop(step.task)
            if not isinstance(step, Free):
                result.append(Wait(*channel))
    return tuple(result)


def _free(held: dict[str, tuple[Channel, tuple[int, ...]]], column: int, count: int, task: str) -> tuple[int, ...]:
    used = {bd for channel, bds in held.values() if channel[0] == column for bd in bds}
    free = [bd for bd in range(DESCRIPTORS) if bd not in used][:count]
    if len(free) < count:
        raise DesignError(f"Task {task}: column {column} has only {DESCRIPTORS} descriptors and all are in use.")
    return tuple(free)


def _words(transfer: Transfer, block: Block) -> Pattern:
    """The pattern of a transfer in 32-bit words instead of elements."""
    item = ITEM_BYTES[block.dtype]
    seen = pattern(transfer)

    def words(elements: int) -> int:
        if elements * item % WORD_BYTES:
            raise DesignError(f"{transfer}: {elements} elements of {item} bytes are not whole 32-bit words.")
        return elements * item // WORD_BYTES

    dims = seen.dims
    if dims and item != WORD_BYTES:
        inner = dims[-1]
        if inner.stride != 1:
            raise DesignError(f"{transfer}: the innermost stride must be 1 for elements of {item} bytes.")
        dims = (*(Dim(dim.size, words(dim.stride)) for dim in dims[:-1]), Dim(words(inner.size), 1))
    return Pattern(words(seen.offset), words(seen.length), dims, Dim(seen.step.size, words(seen.step.stride)))
