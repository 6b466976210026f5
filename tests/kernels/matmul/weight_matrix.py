"""The inverse of the weight layout, for tests of packing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.matmul.blocks import COLUMNS, DEEP, DEPTH, STRIP, TILE, from_bf16


def weight_matrix(blocks: NDArray[Any], tile: int = TILE) -> NDArray[Any]:
    """Return weight blocks as a matrix [K, N], float32 of bf16 blocks and int8 of int8 blocks."""
    rows, width = (2 * tile if blocks.dtype == np.int8 else tile), COLUMNS[blocks.dtype]
    k, n = blocks.shape[:2]
    shape = (k, n, tile // STRIP, rows // (DEEP * DEPTH), STRIP // width, DEEP, DEPTH, width)
    matrix = blocks.reshape(shape).transpose(0, 3, 5, 6, 1, 2, 4, 7).reshape(k * rows, n * tile)
    return from_bf16(matrix) if blocks.dtype == np.uint16 else matrix
