"""The bytes of an instruction stream of the NPU's controller, and the instructions: register writes, patches, waits.

Little endian, 32-bit words. A header of 16 bytes, then the instructions. Layout: AIETranslateNpuToBinary in
lib/Targets/AIETargetNPU.cpp of mlir-aie@97962964; register addresses are column << 25 | row << 20 | offset.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from kernels.array import hardware
from kernels.array.hardware import LAUNCH_ARGUMENTS
from kernels.errors import StreamError

VERSION = (0, 1)
PHOENIX = 3  # the device generation: Phoenix and Hawk Point; 4 is Strix
ROWS, MEMTILE_ROWS, MAX_COLUMNS = len(hardware.ROWS), 1, max(hardware.COLUMNS)
HEADER = struct.Struct("<6B2xII")  # major, minor, generation, rows, columns, memtile rows, count, bytes

WRITE, BLOCKWRITE, MASKWRITE, SYNC, PATCH = 0x00, 0x01, 0x03, 0x80, 0x81
OTHER = {2: "BLOCKSET", 4: "MASKPOLL", 5: "NOOP", 6: "PREEMPT", 7: "MASKPOLL_BUSY", 8: "LOADPDI"}


@dataclass(frozen=True, slots=True)
class Write:
    """An instruction that stores ``value`` in the register at ``address``."""

    address: int
    value: int


@dataclass(frozen=True, slots=True)
class BlockWrite:
    """An instruction that stores ``words`` in consecutive registers from ``address`` on."""

    address: int
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MaskWrite:
    """An instruction that changes the bits of ``mask`` in the register at ``address`` to those of ``value``."""

    address: int
    value: int
    mask: int


@dataclass(frozen=True, slots=True)
class Sync:
    """An instruction that waits until each tile of a rectangle has sent a token from a DMA channel.

    The rectangle begins at ``column`` and ``row``. ``direction`` 0 is S2MM (to memory), 1 is MM2S (from memory).
    """

    column: int
    row: int
    direction: int
    channel: int
    columns: int = 1
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Patch:
    """An instruction that stores an address in the register at ``address``.

    The stored address is that of launch argument number ``argument`` plus ``offset`` bytes.
    """

    address: int
    argument: int
    offset: int


Instruction = Write | BlockWrite | MaskWrite | Sync | Patch


@dataclass(frozen=True, slots=True)
class InstructionStream:
    """The instructions of one launch, for an array of ``columns`` columns."""

    columns: int
    instructions: tuple[Instruction, ...]


def column_of(address: int) -> int:
    """Return the column of the tile that the register at ``address`` belongs to."""
    return address >> 25


def row_of(address: int) -> int:
    """Return the row of the tile that the register at ``address`` belongs to."""
    return address >> 20 & 0x1F


def assemble(stream: InstructionStream) -> bytes:
    """Encode an instruction stream as bytes, with its header; ``decode`` is the inverse."""
    words = [word for instruction in stream.instructions for word in _words(instruction)]
    size = HEADER.size + 4 * len(words)
    kind = (*VERSION, PHOENIX, ROWS, stream.columns, MEMTILE_ROWS)
    return HEADER.pack(*kind, len(stream.instructions), size) + struct.pack(f"<{len(words)}I", *words)


def _words(instruction: Instruction) -> tuple[int, ...]:
    match instruction:
        case Write(address, value):
            return WRITE, 0, address, 0, value, 24
        case BlockWrite(address, words):
            return BLOCKWRITE, 0, address, 16 + 4 * len(words), *words
        case MaskWrite(address, value, mask):
            return MASKWRITE, 0, address, 0, value, mask, 28
        case Sync(column, row, direction, channel, columns, rows):
            return SYNC, 16, direction | row << 8 | column << 16, rows << 8 | columns << 16 | channel << 24
        case Patch(address, argument, offset):
            return PATCH, 48, 0, 0, 0, 0, address, 0, argument, 0, offset, 0


def decode(data: bytes) -> InstructionStream:
    """Decode an instruction stream from its bytes; ``assemble`` turns the result back into equal bytes.

    Raises StreamError, with the position of the wrong byte, for data that are not a stream for Phoenix.
    """
    columns, count = _header(data)
    words = struct.unpack(f"<{(len(data) - HEADER.size) // 4}I", data[HEADER.size :])
    instructions: list[Instruction] = []
    at = 0
    while at < len(words):
        place = f"byte {HEADER.size + 4 * at}"
        read = _READERS.get(words[at])
        if read is None:
            name = OTHER.get(words[at] & 0xFF, f"0x{words[at]:x}")
            raise StreamError(f"Instruction {name} at {place} is not one of a Phoenix stream.")
        try:
            instruction, size = read(words, at)
        except IndexError:
            raise StreamError(f"The stream ends inside the instruction at {place}.") from None
        if tuple(words[at : at + size]) != _words(instruction):
            raise StreamError(
                f"Instruction 0x{words[at]:x} at {place} has a wrong size or reserved words that are set."
            )
        _place(instruction, columns, place)
        instructions.append(instruction)
        at += size
    if len(instructions) != count:
        raise StreamError(f"The header says {count} instructions, the stream holds {len(instructions)}.")
    return InstructionStream(columns, tuple(instructions))


def _header(data: bytes) -> tuple[int, int]:
    if data.startswith(b"version https://git-lfs"):
        raise StreamError("This is a Git LFS pointer, not the stream itself: fetch the file with `git lfs pull`.")
    if len(data) < HEADER.size:
        raise StreamError(f"A stream begins with {HEADER.size} bytes of header; these are {len(data)} bytes.")
    major, minor, generation, rows, columns, memtile_rows, count, size = HEADER.unpack_from(data)
    if (major, minor) != VERSION or data[6:8] != b"\0\0":
        raise StreamError(f"Not a transaction stream of version 0.1 (it begins with {data[:8].hex()}).")
    if generation != PHOENIX:
        raise StreamError(f"The stream is for device generation {generation}; Phoenix and Hawk Point are {PHOENIX}.")
    if (rows, memtile_rows) != (ROWS, MEMTILE_ROWS) or not 1 <= columns <= MAX_COLUMNS:
        raise StreamError(f"An array of {columns} columns, {rows} rows and {memtile_rows} memtile rows is not Phoenix.")
    if size != len(data) or size % 4:
        raise StreamError(f"The header says {size} bytes, the stream has {len(data)}.")
    return columns, count


def _place(instruction: Instruction, columns: int, place: str) -> None:
    """Raise StreamError for an address or tile outside the array's columns, or for an argument that no launch has.

    ``place`` is the instruction's position in the message.
    """
    if isinstance(instruction, Sync):
        last = instruction.column + instruction.columns - 1, instruction.row + instruction.rows - 1
        if not (instruction.columns and instruction.rows) or last[0] >= columns or last[1] >= ROWS:
            raise StreamError(f"The wait at {place} is for tiles outside {columns} columns.")
        return
    if column_of(instruction.address) >= columns or row_of(instruction.address) >= ROWS or instruction.address % 4:
        raise StreamError(f"Address 0x{instruction.address:x} at {place} is outside {columns} columns.")
    if isinstance(instruction, Patch) and instruction.argument >= LAUNCH_ARGUMENTS:
        raise StreamError(f"Argument {instruction.argument} at {place}: a launch has {LAUNCH_ARGUMENTS} at most.")


def _sync(words: tuple[int, ...], at: int) -> tuple[Instruction, int]:
    tile, span = words[at + 2], words[at + 3]
    shape = (span >> 16 & 0xFF, span >> 8 & 0xFF)
    return Sync(tile >> 16 & 0xFF, tile >> 8 & 0xFF, tile & 0xFF, span >> 24, *shape), 4


def _block_write(words: tuple[int, ...], at: int) -> tuple[Instruction, int]:
    size = words[at + 3] // 4
    if at + size > len(words):
        raise IndexError
    return BlockWrite(words[at + 2], tuple(words[at + 4 : at + size])), max(size, 4)


_READERS: dict[int, Callable[[tuple[int, ...], int], tuple[Instruction, int]]] = {
    WRITE: lambda words, at: (Write(words[at + 2], words[at + 4]), 6),
    BLOCKWRITE: _block_write,
    MASKWRITE: lambda words, at: (MaskWrite(words[at + 2], words[at + 4], words[at + 5]), 7),
    SYNC: _sync,
    PATCH: lambda words, at: (Patch(words[at + 6], words[at + 8], words[at + 10]), 12),
}
