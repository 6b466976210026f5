"""The tiles of the array, and the types of the data that they hold and move."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # of a FIFO, buffer, kernel function, sequence, task or loop
DType = Literal["bf16", "f32", "i8", "i16", "i32"]
ITEM_BYTES: dict[DType, int] = {"bf16": 2, "f32": 4, "i8": 1, "i16": 2, "i32": 4}


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile of the array by column and row: row 0 is the shim, row 1 the memtile, rows 2 to 5 are cores.

    A shim moves data from and to DRAM, a memtile is a large memory in between, and a core runs a program.
    """

    col: int
    row: int

    @property
    def kind(self) -> Literal["shim", "memtile", "core"]:
        """The kind of tile that this row consists of."""
        return "shim" if self.row == 0 else "memtile" if self.row == 1 else "core"

    def __str__(self) -> str:
        return f"({self.col}, {self.row})"


@dataclass(frozen=True, slots=True)
class Block:
    """A contiguous run of ``elements`` of one type: the object of a FIFO, the content of a buffer, a kernel's argument.

    >>> Block("bf16", 4096).nbytes
    8192
    """

    dtype: DType
    elements: int

    @property
    def nbytes(self) -> int:
        """The size of the block in bytes."""
        return self.elements * ITEM_BYTES[self.dtype]

    def __str__(self) -> str:
        return f"memref<{self.elements}x{self.dtype}>"


@dataclass(frozen=True, slots=True)
class Dim:
    """One dimension of a DMA access pattern: ``size`` steps, each ``stride`` elements from the one before."""

    size: int
    stride: int
