"""An instruction stream as the tasks that it gives the shim DMAs, and as waits for them: what a launch does.

``tasks`` reads any stream that moves data and nothing else: those of ``encode`` and those of aiecc.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kernels.array.design import Design, Tile
from kernels.array.lower.shim_registers import (
    BD_WORDS,
    CHANNELS,
    CONTROLLER_MASK,
    DIRECTIONS,
    MAX_REPEAT,
    TOKEN,
    Channel,
    Direction,
    bd_at,
    bd_pattern,
    channel_at,
)
from kernels.array.lower.transaction import BlockWrite, Instruction, MaskWrite, Patch, Stream, Sync, Write
from kernels.array.pattern import Pattern
from kernels.errors import DesignError, StreamError

QUEUE_BITS = TOKEN | MAX_REPEAT << 16 | 0xF


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A shim descriptor: ``pattern`` counts the 32-bit words of launch argument number ``argument``."""

    bd: int
    argument: int
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Task:
    """The descriptors of ``chain`` one after the other, ``repeat`` + 1 times; with ``token``, one token at the end."""

    channel: Channel
    chain: tuple[Descriptor, ...]
    repeat: int
    token: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Hold until one more token of the channel has come."""

    channel: Channel


def channels(design: Design) -> dict[str, Channel]:
    """The shim channel of every FIFO that begins or ends in the shim: each column hands them out in FIFO order
    (assignDMAChannelIndices of AIEObjectFifoStatefulTransform.cpp, mlir-aie@97962964).
    """
    taken: Counter[tuple[int, Direction]] = Counter()
    found: dict[str, Channel] = {}
    for fifo in design.fifos:
        ends: list[tuple[Tile, Direction]] = [(fifo.source, "MM2S")]
        ends += [(target, "S2MM") for target in fifo.targets]
        for tile, direction in ends:
            if tile.kind != "shim":
                continue
            number = taken[tile.col, direction]
            taken[tile.col, direction] += 1
            if number >= CHANNELS:
                raise DesignError(f"Shim {tile} has {CHANNELS} {direction} channels; {fifo.name} would be one more.")
            found[fifo.name] = Channel(tile.col, direction, number)
    return found


def tasks(stream: Stream) -> tuple[Task | Wait, ...]:
    """The tasks and waits of a stream, in its order.

    Raises StreamError for anything but writes to shim descriptors and queues, for tasks of descriptors that are not
    fully written, and for waits that can never end.
    """
    reader = _Reader()
    return tuple(found for found in map(reader.read, stream.instructions) if found is not None)


@dataclass(slots=True)
class _Slot:
    """A descriptor as the stream has left it; ``spent`` once a task has left its step counter inside the passes."""

    words: tuple[int, ...]
    source: tuple[int, int] | None = None
    spent: bool = False


@dataclass(slots=True)
class _Reader:
    slots: dict[tuple[int, int], _Slot] = field(default_factory=dict)
    tokens: Counter[Channel] = field(default_factory=Counter)

    def read(self, instruction: Instruction) -> Task | Wait | None:
        match instruction:
            case BlockWrite(address, words):
                place = bd_at(address)
                if place is None or len(words) != BD_WORDS:
                    raise StreamError(f"{len(words)} words at 0x{address:x} are no shim descriptor.")
                self.slots[place] = _Slot(words)
            case Patch(address, argument, offset):
                place = bd_at(address - 4)
                if place not in self.slots:
                    raise StreamError(f"The patch at 0x{address:x} is not in a descriptor that was written.")
                self.slots[place].source = argument, offset
            case MaskWrite(address, _, mask):
                found = channel_at(address)
                if found is None or found[1] != "control" or mask != CONTROLLER_MASK:
                    raise StreamError(f"The masked write to 0x{address:x} is not to a shim channel's controller.")
            case Write(address, value):
                return self.push(address, value)
            case Sync():
                return self.wait(instruction)
        return None

    def push(self, address: int, value: int) -> Task:
        found = channel_at(address)
        if found is None or found[1] != "queue" or value & ~QUEUE_BITS:
            raise StreamError(f"The write of 0x{value:x} to 0x{address:x} is not a task for a shim channel.")
        channel, repeat, token = found[0], value >> 16 & MAX_REPEAT, bool(value & TOKEN)
        task = Task(channel, self.chain(channel.column, value & 0xF), repeat, token)
        for one in task.chain:
            self.slots[channel.column, one.bd].spent = (repeat + 1) % one.pattern.step.size != 0
        self.tokens[channel] += token
        return task

    def chain(self, column: int, first: int) -> tuple[Descriptor, ...]:
        chain: list[Descriptor] = []
        bd: int | None = first
        while bd is not None:
            slot = self.slots.get((column, bd))
            if slot is None or slot.source is None or slot.spent or any(one.bd == bd for one in chain):
                raise StreamError(
                    f"Descriptor {bd} of column {column} is started without having been written and patched, "
                    "in the middle of its steps, or in a ring."
                )
            argument, offset = slot.source
            visits, following = bd_pattern(slot.words, offset)
            chain.append(Descriptor(bd, argument, visits))
            bd = following
        return tuple(chain)

    def wait(self, sync: Sync) -> Wait:
        if (sync.row, sync.rows, sync.columns) != (0, 1, 1) or sync.direction > 1 or sync.channel >= CHANNELS:
            raise StreamError(f"A wait for anything but one shim channel: {sync}.")
        channel = Channel(sync.column, DIRECTIONS[sync.direction], sync.channel)
        self.tokens[channel] -= 1
        if self.tokens[channel] < 0:
            raise StreamError(f"The stream waits for a token of {channel} that no task before it issues.")
        return Wait(channel)
