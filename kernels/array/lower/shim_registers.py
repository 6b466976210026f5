"""The registers of a shim's DMA: buffer descriptors (BDs), and the queues that tasks are pushed on.

Addresses and field layout: AIE2TargetModel::getDmaBdAddress and getDmaControlAddress (AIETargetModel.cpp),
WriteBdToBlockWritePattern and PushQueuetoWrite32Pattern (AIEDmaToNpu.cpp), mlir-aie@97962964. Sizes and strides are in
32-bit words; the chip stores strides less 1, and the number of passes less 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from kernels.array.hardware import ARGUMENT_BYTES, MAX_PASSES, MAX_STEPS, SHIM, WORD_BYTES
from kernels.array.lower.transaction import column_of, row_of
from kernels.array.pattern import ONCE, Pattern
from kernels.array.tile import Dim
from kernels.errors import DesignError, StreamError

DmaDirection = Literal["S2MM", "MM2S"]
DMA_DIRECTIONS: tuple[DmaDirection, DmaDirection] = ("S2MM", "MM2S")

BD_BASE, BD_BYTES, BD_WORDS = 0x1D000, 0x20, 8
CHANNEL_BASE = 0x1D200  # control registers: S2MM 0 and 1, MM2S 0 and 1, 8 bytes apart; the queue 4 bytes on
CONTROLLER, CONTROLLER_MASK = 15 << 8, 0x1F << 8  # the receiver of the tokens: getTileToControllerIdMap, shim row

MAX_REPEAT = MAX_PASSES - 1
BURST_256 = 2 << 30
AXI_CACHE = 2 << 24  # lets the network on chip merge narrow accesses
VALID, USE_NEXT = 1 << 25, 1 << 26
TOKEN = 1 << 31


@dataclass(frozen=True, slots=True)
class ShimChannel:
    """One DMA channel of a shim: MM2S reads DRAM into the array, S2MM writes the array's output to DRAM.

    ``column`` is the shim's, ``number`` the channel's (0 or 1) among those of its direction.
    """

    column: int
    direction: DmaDirection
    number: int

    @property
    def control(self) -> int:
        """The address of the channel's control register."""
        return self.column << 25 | CHANNEL_BASE + 16 * DMA_DIRECTIONS.index(self.direction) + 8 * self.number

    @property
    def queue(self) -> int:
        """The address of the channel's queue register: a write to it starts a task."""
        return self.control + 4

    def __str__(self) -> str:
        return f"{self.direction} channel {self.number} of column {self.column}"


def channel_at(address: int) -> tuple[ShimChannel, Literal["control", "queue"]] | None:
    """Return the channel whose control or queue register is at ``address``, or None if there is no such register."""
    place = (address & 0xFFFFF) - CHANNEL_BASE
    if row_of(address) or not 0 <= place < 32 or place % 4:
        return None
    return ShimChannel(
        column_of(address), DMA_DIRECTIONS[place // 16], place // 8 % 2
    ), "queue" if place % 8 else "control"


def bd_address(column: int, bd: int) -> int:
    """Return the address of the first register of a shim's descriptor number ``bd``."""
    return column << 25 | BD_BASE + BD_BYTES * bd


def bd_at(address: int) -> tuple[int, int] | None:
    """Return column and number of the shim descriptor that begins at ``address``, or None if none begins there."""
    bd, rest = divmod((address & 0xFFFFF) - BD_BASE, BD_BYTES)
    return None if row_of(address) or rest or not 0 <= bd < SHIM.descriptors else (column_of(address), bd)


def queue_word(bd: int, repeat: int, token: bool) -> int:
    """Return the word that starts a task when it is written to a channel's queue register.

    ``bd`` is the number of the task's first descriptor, ``repeat`` the number of runs after the first one; ``token``
    asks for a token at the end. Raises DesignError for more repeats than a queue counts.
    """
    _require(0 <= repeat <= MAX_REPEAT, f"more than {MAX_REPEAT} repeats")
    return bd | repeat << 16 | (TOKEN if token else 0)


def bd_words(pattern: Pattern, following: int | None = None) -> tuple[int, ...]:
    """Return the eight register words of a shim descriptor.

    ``pattern`` counts 32-bit words; ``following`` is the number of the descriptor that runs next in the task. Raises
    DesignError, with the limit, for a pattern that a shim descriptor cannot hold.
    """
    dims, step = pattern.dims or (Dim(pattern.length, 1),), pattern.step
    _require(len(dims) <= 3, f"{len(dims)} dimensions; a shim descriptor has 3 and a step")
    _require(pattern.offset * WORD_BYTES < ARGUMENT_BYTES, "an offset of 2 GiB or more")
    _require(step.size <= MAX_STEPS, f"a step of more than {MAX_STEPS} passes")
    _require(all(dim.size == 1 or dim.stride > 0 for dim in dims), "a stride of 0 within a pass")
    d0, d1, d2 = reversed((ONCE,) * (3 - len(dims)) + dims)
    words = [pattern.length, pattern.offset * WORD_BYTES, 0, 0, BURST_256, AXI_CACHE, 0, VALID]
    if not _is_run(d0, d1, d2):
        _require(max(d0.size, d1.size) <= SHIM.wrap, f"an inner dimension of more than {SHIM.wrap} words or steps")
        words[3] |= d0.size << 20 | _stride(max(d0.stride, 1))
        words[4] |= d1.size << 20 | (_stride(d1.stride) if d1.size > 1 else 0)
        words[5] |= _stride(d2.stride) if d2.size > 1 else 0
    if step.size > 1 and step.stride > 0:
        words[6] |= (step.size - 1) << 20 | _stride(step.stride)
    if following is not None:
        words[7] |= USE_NEXT | following << 27
    return tuple(words)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise DesignError(f"The transfer has {what}.")


def _stride(words: int) -> int:
    _require(words <= SHIM.step_words, f"a stride of more than {SHIM.step_words} words")
    return words - 1


def _is_run(d0: Dim, d1: Dim, d2: Dim) -> bool:
    """Return whether the dimensions are one contiguous run, whose descriptor has only a length, without a limit.

    The rule is isContiguousTransfer of AIEXDialect.cpp.
    """
    joins = d1.size == 1 or d1.stride == d0.size, d2.size == 1 or d2.stride == d0.size * d1.size
    return d0.stride == 1 and all(joins)


def bd_pattern(words: tuple[int, ...], offset: int) -> tuple[Pattern, int | None]:
    """Decode a descriptor's eight register words to its access pattern and the number of the next descriptor.

    The number is None at the end of a chain. ``offset`` is the first byte in the launch argument; the pattern counts
    32-bit words. Raises StreamError for descriptors with packets, locks, compression, or sizes that do not divide the
    length.
    """
    length, d0, d1 = words[0], words[3] >> 20, words[4] >> 20 & SHIM.wrap
    strides = tuple((word & SHIM.step_words - 1) + 1 for word in words[3:7])
    plain = not words[2] and words[3] >> 30 == 0 and words[5] >> 20 == AXI_CACHE >> 20
    if not plain or words[6] >> 26 or not words[7] & VALID or words[7] & ~(VALID | USE_NEXT | 0xF << 27):
        raise StreamError(f"A descriptor that is not a plain transfer: {' '.join(f'{word:08x}' for word in words)}.")
    if offset % WORD_BYTES:
        raise StreamError(f"A descriptor that starts at byte {offset}, inside a word.")
    sizes = (d1, d0) if d0 and d1 else (d0,) if d0 else ()
    outer, rest = divmod(length, math.prod(sizes))
    if not length or rest or (d1 and not d0):
        raise StreamError(f"A descriptor of {length} words in dimensions of {sizes}.")
    dims = tuple(Dim(size, strides[len(sizes) - n]) for n, size in enumerate((outer, *sizes)))
    step = Dim((words[6] >> 20) + 1, strides[3]) if words[6] >> 20 else ONCE
    following = words[7] >> 27 & 0xF if words[7] & USE_NEXT else None
    return Pattern(offset // WORD_BYTES, length, () if dims == (Dim(length, 1),) else dims, step), following
