"""The layout of matrices in the blocks that the matmul kernels read and write, and int8 quantisation.

An object of the array (the data that moves as a whole) is one block. A block is a sequence of sub-tiles, the operands
of the matrix unit: activations by rows of sub-tiles; weights by strips of 16 columns, two sub-tiles deep, so that a
kernel reads a strip in order. bf16 values are represented by their bits, uint16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint16]
Float32 = NDArray[np.float32]
Int8 = NDArray[np.int8]

TILE = 64
ROWS = 4  # of an activation sub-tile
DEPTH = 8  # inner edge of every sub-tile: columns of activations, rows of weights
STRIP = 16  # columns of weights whose sub-tiles are stored together: as many as the kernel has accumulators for
NEGLIGIBLE = np.float32(2.0**-100)
DEEP = 2  # sub-tiles above each other that the kernel takes before the next column of sub-tiles
COLUMNS = {np.dtype(np.uint16): 4, np.dtype(np.int8): 8}  # of a weight sub-tile: mmul<4, 8, 4> and mmul<4, 8, 8>


def to_bf16(values: NDArray[np.floating[Any]]) -> Bits:
    """Return the bf16 bits nearest to each float value, ties to even, as uint16 of the same shape. NaN stays NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    quiet = bits >> 16 | 0x40
    return np.where((bits & 0x7FFFFFFF) > 0x7F800000, quiet, rounded).astype(np.uint16)


def from_bf16(bits: Bits) -> Float32:
    """Return the exact float32 values of bf16 bits, of the same shape."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def activation_blocks(matrix: NDArray[np.floating[Any]], tile: int = TILE) -> Bits:
    """Return activations, float [M, K], as bf16 blocks: uint16 [M / tile, K / tile, tile * tile].

    ``tile`` divides M and K.
    """
    return _blocked(to_bf16(matrix), (tile, tile), (ROWS, DEPTH))


def activation_matrix(blocks: Bits, tile: int = TILE) -> Float32:
    """Return bf16 blocks of activations as a matrix, float32 [M, K]: the inverse of ``activation_blocks``."""
    return from_bf16(_unblocked(blocks, (tile, tile), (ROWS, DEPTH)))


def activation_blocks_i8(values: Int8, tile: int = TILE) -> Int8:
    """Return activations, int8 [M, K], as int8 blocks of ``tile`` rows and ``2 tile`` columns.

    The result is [M / tile, K / 2 tile, 2 tile * tile]; ``tile`` divides M and ``2 tile`` divides K.
    """
    return _blocked(values, (tile, 2 * tile), (ROWS, DEPTH))


def weight_blocks(matrix: NDArray[np.floating[Any]], tile: int = TILE) -> Bits:
    """Return weights, float [K, N], as bf16 blocks: uint16 [K / tile, N / tile, tile * tile]."""
    return _strips(to_bf16(matrix), tile, tile)


def weight_blocks_i8(values: Int8, tile: int = TILE) -> Int8:
    """Return weights, int8 [K, N], as int8 blocks of ``2 tile`` rows and ``tile`` columns.

    The result is [K / 2 tile, N / tile, 2 tile * tile]; ``2 tile`` divides K and ``tile`` divides N.
    """
    return _strips(values, 2 * tile, tile)


def quantise_rows(activations: Float32) -> tuple[Int8, Float32]:
    """Quantise float32 [M, K] symmetrically: return int8 [M, K] and a scale for each row (token), float32 [M].

    A row is approximately ``values * scale``. A scale is the row's largest magnitude / 127, rounded up to bf16, because
    the kernel multiplies by bf16: the range shrinks by at most 2**-7, and the product is exact. A row whose magnitudes
    are all at most 2**-100 has the scale 1.
    """
    largest = np.abs(activations).max(axis=1, initial=0)
    scales = np.where(largest > NEGLIGIBLE, _up_to_bf16(largest / np.float32(127)), np.float32(1)).astype(np.float32)
    return np.rint(activations / scales[:, None]).astype(np.int8), scales


def quantise_columns(weights: Float32) -> tuple[Int8, Float32]:
    """Quantise float32 [K, N] symmetrically: return int8 [K, N] and a scale for each column, float32 [N].

    The scales follow the rule of ``quantise_rows``.
    """
    values, scales = quantise_rows(weights.T)
    return np.ascontiguousarray(values.T), scales


def bias_table(bias: Float32, tile: int = TILE) -> Float32:
    """Return the table of biases that a bf16 product takes: float32 [N], that of column tile t from t * tile on."""
    return np.ascontiguousarray(bias.reshape(-1, tile).reshape(-1), np.float32)


def scale_bias_table(scales: Float32, bias: Float32, tile: int = TILE) -> Float32:
    """Return the table that an int8 product takes, float32 [2 N]: scales, then biases, for each column tile.

    The scales of column tile t begin at 2 * t * tile.
    """
    return np.stack([scales.reshape(-1, tile), bias.reshape(-1, tile)], axis=1).reshape(-1).astype(np.float32)


def _up_to_bf16(values: Float32) -> Float32:
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0xFFFF) & np.uint32(0xFFFF0000)).view(np.float32)


def _blocked(matrix: NDArray[Any], block: tuple[int, int], sub: tuple[int, int]) -> NDArray[Any]:
    rows, columns = (edge // step for edge, step in zip(block, sub, strict=True))
    m, k = matrix.shape[0] // block[0], matrix.shape[1] // block[1]
    split = matrix.reshape(m, rows, sub[0], k, columns, sub[1])
    return np.ascontiguousarray(split.transpose(0, 3, 1, 4, 2, 5)).reshape(m, k, block[0] * block[1])


def _unblocked(blocks: NDArray[Any], block: tuple[int, int], sub: tuple[int, int]) -> NDArray[Any]:
    rows, columns = (edge // step for edge, step in zip(block, sub, strict=True))
    m, k = blocks.shape[:2]
    split = blocks.reshape(m, k, rows, columns, *sub).transpose(0, 2, 4, 1, 3, 5)
    return np.ascontiguousarray(split).reshape(m * block[0], k * block[1])


def _strips(matrix: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    width = COLUMNS[matrix.dtype]
    k, n = matrix.shape[0] // rows, matrix.shape[1] // columns
    split = matrix.reshape(k, rows // (DEEP * DEPTH), DEEP, DEPTH, n, columns // STRIP, STRIP // width, width)
    return np.ascontiguousarray(split.transpose(0, 4, 5, 1, 6, 2, 3, 7)).reshape(k, n, rows * columns)
