"""The reader of an instruction stream as tasks of the shim DMAs and waits for them.

``tasks`` reads every stream that only moves data: those that ``encode`` writes and those that aiecc writes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kernels.array.design import Design
from kernels.array.hardware import SHIM
from kernels.array.lower.shim_registers import (
    BD_WORDS,
    CONTROLLER_MASK,
    DMA_DIRECTIONS,
    MAX_REPEAT,
    TOKEN,
    DmaDirection,
    ShimChannel,
    bd_at,
    bd_pattern,
    channel_at,
)
from kernels.array.lower.transaction import BlockWrite, Instruction, InstructionStream, MaskWrite, Patch, Sync, Write
from kernels.array.pattern import Pattern
from kernels.array.tile import Tile
from kernels.errors import DesignError, StreamError

QUEUE_BITS = TOKEN | MAX_REPEAT << 16 | 0xF


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Shim DMA descriptor number ``bd`` as a task uses it.

    ``pattern`` is the access pattern in 32-bit words of launch argument number ``argument``.
    """

    bd: int
    argument: int
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class ShimTask:
    """A task of a shim DMA channel, which runs the descriptors of ``chain`` in order, ``repeat`` + 1 times.

    With ``token`` the channel sends one token when the task has ended.
    """

    channel: ShimChannel
    chain: tuple[Descriptor, ...]
    repeat: int
    token: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """A step of the NPU's controller that waits for one more token of ``channel``."""

    channel: ShimChannel


def channels(design: Design) -> dict[str, ShimChannel]:
    """Return the shim channel of every FIFO that begins or ends in the shim, by the FIFO's name.

    Each column numbers its channels in the order of the FIFOs (assignDMAChannelIndices of
    AIEObjectFifoStatefulTransform.cpp, mlir-aie@97962964). Raises DesignError for a FIFO too many.
    """
    taken: Counter[tuple[int, DmaDirection]] = Counter()
    found: dict[str, ShimChannel] = {}
    for fifo in design.fifos:
        ends: list[tuple[Tile, DmaDirection]] = [(fifo.source, "MM2S")]
        ends += [(target, "S2MM") for target in fifo.targets]
        for tile, direction in ends:
            if tile.kind != "shim":
                continue
            number = taken[tile.col, direction]
            taken[tile.col, direction] += 1
            if number >= SHIM.channels:
                limit = f"{SHIM.channels} {direction} channels"
                raise DesignError(f"Shim {tile} has {limit}; {fifo.name} would be one more.")
            found[fifo.name] = ShimChannel(tile.col, direction, number)
    return found


def tasks(stream: InstructionStream) -> tuple[ShimTask | Wait, ...]:
    """Return the tasks and waits of an instruction stream, in the stream's order.

    Raises StreamError for instructions other than writes to shim descriptors and queues, for tasks of descriptors that
    are not fully written, and for waits that can never end.
    """
    reader = _Reader()
    return tuple(found for found in map(reader.read, stream.instructions) if found is not None)


@dataclass(slots=True)
class _Slot:
    """A shim descriptor's registers as the instructions read so far have written them.

    ``source`` is the argument and byte offset of its address patch. ``spent`` is set by a task that stopped before the
    last step: the step counter of a further task would begin in the middle.
    """

    words: tuple[int, ...]
    source: tuple[int, int] | None = None
    spent: bool = False


@dataclass(slots=True)
class _Reader:
    """A reader of a stream's instructions, with the descriptors and unawaited tokens that they leave behind."""

    slots: dict[tuple[int, int], _Slot] = field(default_factory=dict)
    tokens: Counter[ShimChannel] = field(default_factory=Counter)

    def read(self, instruction: Instruction) -> ShimTask | Wait | None:
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

    def push(self, address: int, value: int) -> ShimTask:
        found = channel_at(address)
        if found is None or found[1] != "queue" or value & ~QUEUE_BITS:
            raise StreamError(f"The write of 0x{value:x} to 0x{address:x} is not a task for a shim channel.")
        channel, repeat, token = found[0], value >> 16 & MAX_REPEAT, bool(value & TOKEN)
        task = ShimTask(channel, self.chain(channel.column, value & 0xF), repeat, token)
        for descriptor in task.chain:
            self.slots[channel.column, descriptor.bd].spent = (repeat + 1) % descriptor.pattern.step.size != 0
        self.tokens[channel] += token
        return task

    def chain(self, column: int, first: int) -> tuple[Descriptor, ...]:
        chain: list[Descriptor] = []
        bd: int | None = first
        while bd is not None:
            slot = self.slots.get((column, bd))
            if slot is None or slot.source is None or slot.spent or any(earlier.bd == bd for earlier in chain):
                raise StreamError(
                    f"Descriptor {bd} of column {column} is started without having been written and patched, "
                    "in the middle of its steps, or in a ring."
                )
            argument, offset = slot.source
            pattern, following = bd_pattern(slot.words, offset)
            chain.append(Descriptor(bd, argument, pattern))
            bd = following
        return tuple(chain)

    def wait(self, sync: Sync) -> Wait:
        if (sync.row, sync.rows, sync.columns) != (0, 1, 1) or sync.direction > 1 or sync.channel >= SHIM.channels:
            raise StreamError(f"A wait for anything but one shim channel: {sync}.")
        channel = ShimChannel(sync.column, DMA_DIRECTIONS[sync.direction], sync.channel)
        self.tokens[channel] -= 1
        if self.tokens[channel] < 0:
            raise StreamError(f"The stream waits for a token of {channel} that no task before it issues.")
        return Wait(channel)
