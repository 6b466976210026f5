"""The places of matrices in the launch arguments (DRAM buffers), in blocks of 64 x 64, and DMA transfers over them.

Activations are stored by groups of four row blocks, one for each core row: block (group, column block, row). The data
that a column of cores reads or writes for one step is then one contiguous run. Only Q, K and V are stored by row
blocks, so that K and V of a head follow each other for each 64 keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels.array.sequence import Transfer
from kernels.array.tile import Dim

TILE = 64
BLOCK = TILE * TILE  # elements
ROWS = 4  # core rows; row blocks in a group
MAX_WORDS = 1023  # of the innermost dimension of a shim descriptor (hardware.py); contiguous transfers are exempt


@dataclass(frozen=True, slots=True)
class Matrix:
    """The region of a bf16 matrix [groups * 256, width * 64], stored by groups of four row blocks.

    The region begins at element ``offset`` of the launch argument ``argument``.
    """

    argument: str
    offset: int
    groups: int
    width: int

    @property
    def elements(self) -> int:
        """The number of bf16 elements of the region."""
        return self.groups * self.width * ROWS * BLOCK

    def at(self, group: int, column: int = 0, row: int = 0) -> int:
        """Return the offset of a block of 64 x 64 in the launch argument (a DRAM buffer), in elements."""
        return self.offset + ((group * self.width + column) * ROWS + row) * BLOCK


@dataclass(frozen=True, slots=True)
class Residual:
    """The region of a float matrix that is stored as the sum of two bf16 matrices, high and low half.

    The halves (planes) alternate: block (group, column block, plane, row). The region begins at element ``offset`` of
    the launch argument ``argument``.
    """

    argument: str
    offset: int
    groups: int
    width: int

    @property
    def elements(self) -> int:
        """The number of bf16 elements of the region, both halves included."""
        return 2 * self.groups * self.width * ROWS * BLOCK

    def at(self, group: int, column: int = 0, plane: int = 0, row: int = 0) -> int:
        """Return the offset of a block of plane 0 (high) or 1 (low) in the launch argument, in elements."""
        return self.offset + (((group * self.width + column) * 2 + plane) * ROWS + row) * BLOCK


@dataclass(frozen=True, slots=True)
class RowBlocks:
    """The region of a bf16 matrix [groups * 256, width * 64], stored by row blocks: block (row block, column block).

    The region begins at element ``offset`` of the launch argument ``argument``.
    """

    argument: str
    offset: int
    groups: int
    width: int

    @property
    def elements(self) -> int:
        """The number of bf16 elements of the region."""
        return self.groups * self.width * ROWS * BLOCK

    def at(self, row_block: int, column: int = 0) -> int:
        """Return the offset of a block of 64 x 64 in the launch argument (a DRAM buffer), in elements."""
        return self.offset + (row_block * self.width + column) * BLOCK


def transfer(
    argument: str, offset: int, *dims: tuple[int, int], run: int, iteration: tuple[int, int] | None = None
) -> Transfer:
    """Return a DMA transfer of contiguous runs of ``run`` elements, nested in ``dims`` (size, stride).

    ``dims`` are outermost first. Neighbouring dimensions are merged, and a run longer than a descriptor's innermost
    dimension is split. ``iteration`` is the step (size, stride) of a repeating task. Raises ValueError if three
    dimensions are not enough.
    """
    merged: list[tuple[int, int]] = [(run, 1)]
    for size, stride in reversed(dims):
        inner_size, inner_stride = merged[0]
        if size == 1:
            continue
        if stride == inner_size * inner_stride:
            merged[0] = (size * inner_size, inner_stride)
        else:
            merged.insert(0, (size, stride))
    length = 1
    for size, _ in merged:
        length *= size
    if len(merged) == 1 and iteration is None:
        return Transfer(argument, offset, length)
    merged[-1:] = _split(merged[-1][0])
    if len(merged) > 3:
        raise ValueError(f"{len(merged)} dimensions do not fit a shim descriptor: {merged}")
    padding = [(1, BLOCK)] * (3 - len(merged)) if iteration else []  # a stride of 0 is refused
    outer = [iteration] if iteration else []
    return Transfer(argument, offset, length, tuple(Dim(*dim) for dim in (*outer, *padding, *merged)))


def _split(run: int) -> list[tuple[int, int]]:
    """Return a run of bf16 as one (size, stride), or as two if the run exceeds the 1,023 words of a dimension."""
    if run <= 2 * MAX_WORDS:
        return [(run, 1)]
    inner = next(size for size in range(2 * MAX_WORDS, 0, -2) if run % size == 0)
    return [(run // inner, inner), (inner, 1)]
