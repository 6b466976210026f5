"""The command that tells the cores which op to run and how often to loop: 16 32-bit words in front of the op's data.

A command is the first A object (block of input data) that a core receives for an op. A command that travels with the
data needs no further FIFO, lock or run-time parameter, and the instruction stream does not depend on the address that
the compiler chose for a buffer.

A word of the same index has another meaning in each op, so each op has an enumeration of its own. The C++ kernels
include these names from ``command.h``. To regenerate that header after a change here:

    python -m kernels.command > kernels/command.h
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

WORDS = 16
GELU = 1  # bit of MatmulWord.FLAGS: apply GELU to the result

CommandWords = dict[int, int | float]  # value by index of the word; words that are not there are 0


class CommandWord(IntEnum):
    """A word of a command: the member's value is the word's index, and ``meaning`` describes what the word holds."""

    meaning: str

    def __new__(cls, index: int, meaning: str) -> Self:
        """Create the member with the value ``index`` and the description ``meaning``."""
        word = int.__new__(cls, index)
        word._value_ = index
        word.meaning = meaning
        return word


# The first word of each enumeration, two for matmul, is the number of times that the core runs the op's section: 0 (the
# value in every other op's command) skips the section.


class MatmulWord(CommandWord):
    """The words of a matmul command: loop counts and flags that tell a core how to run a matrix product.

    A command runs ``matmul`` (bf16) or ``matmul_i8`` (int8), by which of the two row block counts is not 0.
    """

    ROW_BLOCKS = 0, "bf16 row blocks for each core"
    ROW_BLOCKS_I8 = 1, "int8 row blocks for each core"
    K_BLOCKS = 5, "blocks of the inner dimension K"
    TABLE_OBJECTS = 6, "B objects of bias (and scale) in front of the weights"
    COLUMN_TILES = 8, "column tiles for each row block"
    FLAGS = 9, "GELU or 0"


class AttentionWord(CommandWord):
    """The words of an attention command: loop counts and sizes that tell a core how to run softmax attention."""

    QUERY_TILES = 2, "query tiles for each core, over all heads of its column"
    KEY_TILES = 5, "tiles of 64 keys"
    VALID_KEYS = 8, "keys that count; the keys behind them are padding"


class RowsWord(CommandWord):
    """The words of a rows command: counts and constants that tell a core how to run a residual add and layer norm."""

    ROW_BLOCKS = 3, "row blocks for each core"
    COLUMN_GROUPS = 5, "groups of COLS column blocks"
    VALID_COLUMNS = 8, "columns that count, a multiple of 64; the columns behind them are padding"
    INVERSE_COLUMNS = 10, "1 / VALID_COLUMNS, float32"
    EPSILON = 11, "the layer norm's epsilon, float32"


class QuantiseWord(CommandWord):
    """The words of a quantise command: loop counts that tell a core how to turn bf16 rows into int8 with scales."""

    ROW_BLOCKS = 4, "row blocks for each core"
    COLUMN_BLOCKS = 5, "column blocks of bf16"
    PACKED_OBJECTS = 8, "C objects of int8, each of eight column blocks"


OPS: tuple[tuple[str, type[CommandWord]], ...] = (
    ("matmul", MatmulWord),
    ("attention", AttentionWord),
    ("rows", RowsWord),
    ("quantise", QuantiseWord),
)


def command(words: Mapping[int, int | float], nbytes: int) -> NDArray[np.uint8]:
    """Return a command as uint8 [nbytes]: ``words`` (value by word index), little endian, and zeros elsewhere.

    An int becomes an int32 and a float the bits of a float32.
    """
    packed = np.zeros(nbytes, np.uint8)
    for index, value in words.items():
        code = "<f" if isinstance(value, float) else "<i"
        packed[4 * index : 4 * index + 4] = np.frombuffer(struct.pack(code, value), np.uint8)
    return packed


def header() -> str:
    """Return the text of the C++ header ``command.h``: each word's index as a constant, in one namespace an op."""
    return "\n".join(_header_lines()) + "\n"


def _header_lines() -> Iterator[str]:
    yield "// The words of the command in front of an op's data, by index: command.py describes the command."
    yield "// Generated: python -m kernels.command > kernels/command.h"
    yield "#pragma once"
    yield ""
    yield "namespace command {"
    yield ""
    yield f"constexpr int WORDS = {WORDS};  // of 32 bits"
    for op, words in OPS:
        yield ""
        yield f"namespace {op} {{"
        yield from (f"constexpr int {word.name} = {int(word)};  // {word.meaning}" for word in words)
        if words is MatmulWord:
            yield f"constexpr int GELU = {GELU};  // bit of FLAGS: apply GELU to the result"
        yield f"}}  // namespace {op}"
    yield ""
    yield "}  // namespace command"


if __name__ == "__main__":
    sys.stdout.write(header())
