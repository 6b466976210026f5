"""The command that travels in front of an op's data: sixteen 32-bit words in the first A object.

In band, a command needs no further FIFO, lock or run-time parameter, and the instruction stream does not depend on
where the compiler put a buffer.
"""

from __future__ import annotations

import struct
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

WORDS = 16
GELU = 1  # the flag


class Field(IntEnum):
    """Which word says what; a section runs as often as its word says, so that 0 skips it."""

    MATMUL = 0  # row blocks for each core
    MATMUL_I8 = 1
    ATTENTION = 2  # query tiles for each core, over all heads of its column
    ROWS = 3  # row blocks for each core
    QUANTISE = 4
    STEPS = 5  # matmul: blocks of K; attention: key tiles; rows: groups of column blocks; quantise: column blocks
    TABLE_OBJECTS = 6  # B objects of bias (and scale) in front of the weights
    TILES = (
        8  # matmul: column tiles for each row block; attention: valid keys; rows: valid columns; quantise: C objects
    )
    FLAGS = 9
    SCALE = 10  # rows: 1 / columns, float32
    EPSILON = 11  # float32


def command(words: dict[Field, int | float], nbytes: int) -> NDArray[np.uint8]:
    """The object with these words, zero elsewhere: uint8 [nbytes]. Floats are stored as float32 bits."""
    packed = np.zeros(nbytes, np.uint8)
    for field, value in words.items():
        code = "<f" if isinstance(value, float) else "<i"
        packed[4 * field : 4 * field + 4] = np.frombuffer(struct.pack(code, value), np.uint8)
    return packed
