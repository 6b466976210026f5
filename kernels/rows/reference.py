"""The reference of the row kernels: layer norm in float64, and the host-compiled kernels called in plain loops."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.command import WORDS, RowsWord
from kernels.host.buffers import buffer, pointer
from kernels.host.compile import build
from kernels.matmul.blocks import TILE, Bits, activation_blocks, activation_matrix, from_bf16, to_bf16

Float64 = NDArray[np.float64]
Int8 = NDArray[np.int8]

SOURCE = Path(__file__).with_name("rows.cc")
EPSILON = 1e-5  # of Whisper's layer norms
BLOCK = TILE * TILE
STATE = 256  # elements of a core's buffer


def normalise(x: NDArray[Any], epsilon: float = EPSILON) -> Float64:
    """Return the layer norm of every row, without gain and bias, in float64: [n, d], as x is."""
    wide = x.astype(np.float64)
    centred = wide - wide.mean(axis=1, keepdims=True)
    result: Float64 = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + epsilon)
    return result


def halves(x: NDArray[Any]) -> tuple[Float64, Float64]:
    """Return x as the residual stream stores it: high half (the nearest bf16), low half (bf16 nearest to the rest)."""
    high = from_bf16(to_bf16(x))
    low = from_bf16(to_bf16(x - high))
    return high.astype(np.float64), low.astype(np.float64)


def call_row_kernels(
    x: NDArray[Any], y: NDArray[Any], valid: int | None = None, columns: int = 4
) -> tuple[Float64, Float64, Float64]:
    """Return x + y as high and low halves, and its layer norm, [64, d] each, by the host-compiled row kernels.

    x and y are [64, d]. The first ``valid`` columns count. d is a multiple of 64 times ``columns``, the number of cores
    that share the rows. Raises CompileError.
    """
    rows, width = TILE // columns, x.shape[1]
    library = build([SOURCE], {"COLS": columns})
    high, low = (activation_blocks(half)[0] for half in halves(x))
    added = activation_blocks(y)[0]
    results = [np.zeros((width // TILE, BLOCK), np.uint16) for _ in range(3)]
    for column in range(columns):
        core = _Rows(library, column, columns, valid or width)
        part = slice(column * rows * TILE, (column + 1) * rows * TILE)
        for pass_ in range(2):
            for group in range(width // TILE // columns):
                blocks = slice(group * columns, (group + 1) * columns)
                core.gather(high[blocks], low[blocks], added[blocks, part], pass_)
                for plane in range(2 - pass_):
                    results[2 * pass_ + plane][blocks, part] = core.out(pass_, group, plane)
    total, rest, norm = (activation_matrix(blocks[None]).astype(np.float64) for blocks in results)
    return total, rest, norm


class _Rows:
    """The memory of one simulated core, and calls of the row kernels in the order of the overlay's program."""

    def __init__(self, library: ctypes.CDLL, column: int, columns: int, valid: int) -> None:
        self.library, self.column, self.columns = library, column, columns
        self.row = column  # of cores: the place of its part in b; any row would do
        self.a, self.b, self.c = (buffer(BLOCK, np.uint16) for _ in range(3))
        self.acc, self.state, self.prm = buffer(BLOCK, np.float32), buffer(STATE, np.float32), buffer(WORDS, np.int32)
        self.prm[RowsWord.VALID_COLUMNS] = valid
        floats = np.array([1 / valid, EPSILON], np.float32)
        self.prm[[RowsWord.INVERSE_COLUMNS, RowsWord.EPSILON]] = floats.view(np.int32)

    def gather(self, high: Bits, low: Bits, y: Bits, pass_: int) -> None:
        """Run the kernels that add x (``high`` and ``low`` half) and ``y`` for one group of column blocks."""
        acc, state = pointer(self.acc), pointer(self.state)
        for k in range(self.columns):
            self.a[:] = high[k]
            self.library.row_load(pointer(self.a), acc, k, self.column)
            self.a[:] = low[k]
            self.b.reshape(self.columns, -1)[self.row] = y[k]
            self.library.row_add(pointer(self.a), pointer(self.b), acc, state, k, pass_, self.column, self.row)

    def out(self, pass_: int, group: int, plane: int) -> Bits:
        """Return the core's rows of one group of column blocks: of the sum (pass 0) or of its layer norm (pass 1).

        ``plane`` 0 is the high half of the sum, 1 the low half.
        """
        scratch = pointer(self.acc), pointer(self.state)
        self.library.row_out(*scratch, pointer(self.c), pointer(self.prm), pass_, group, plane)
        return self.c.reshape(self.columns, -1)


def call_quantise_kernels(x: NDArray[Any]) -> tuple[Int8, NDArray[np.float32]]:
    """Quantise x [64, d] to int8 [64, d] and a scale for each row, float32 [64], by the host-compiled kernels.

    Four cores share the rows; d is a multiple of 512. Raises CompileError.
    """
    columns, width = 4, x.shape[1]
    library = build([SOURCE], {"COLS": columns})
    blocks = activation_blocks(x)[0]
    packed = np.zeros((width // (2 * TILE), columns, 2 * BLOCK // columns), np.int8)
    scales = np.zeros((columns, TILE // columns), np.float32)
    a, c, state = buffer(BLOCK, np.uint16), buffer(BLOCK, np.uint16), buffer(STATE, np.float32)
    for column in range(columns):
        for k, a[:] in enumerate(blocks):
            library.quant_max(pointer(a), pointer(state), k, column)
        library.quant_scale(pointer(state), pointer(c))
        scales[column] = c.view(np.float32)[: TILE // columns]
        for k, a[:] in enumerate(blocks):
            library.quant_out(pointer(a), pointer(state), pointer(c), k % 8, column)
            if k % 8 == 7:
                packed[k // 8 * 4 : k // 8 * 4 + 4, column] = c.view(np.int8).reshape(4, -1)
    return _unpacked(packed), scales.ravel()


def _unpacked(blocks: Int8) -> Int8:
    """Return the int8 blocks of four cores, [K / 128, cores, part of a block], as a matrix [64, K]."""
    tiled = blocks.reshape(len(blocks), TILE // 4, 2 * TILE // 8, 4, 8)
    return tiled.transpose(1, 3, 0, 2, 4).reshape(TILE, -1)
