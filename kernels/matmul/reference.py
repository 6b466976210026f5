"""The reference of the matmul kernels: products in float64, and the host-compiled kernels called in plain loops."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.command import GELU, WORDS, MatmulWord
from kernels.gelu import reference as gelu_reference
from kernels.host.buffers import aligned, buffer
from kernels.host.compile import build
from kernels.matmul import blocks
from kernels.matmul.blocks import TILE, Float32, Int8

Float64 = NDArray[np.float64]

SOURCE = Path(__file__).parent / "matmul.cc"
TABLE, STATE = 1024, 256  # elements of a core's buffers


def exact(a: NDArray[Any], b: NDArray[Any], bias: Float32, gelu: bool = False) -> Float64:
    """Return A [M, K] @ B [K, N] + bias [N] in float64, followed by GELU if ``gelu``."""
    c: Float64 = a.astype(np.float64) @ b.astype(np.float64) + bias
    return gelu_reference.exact(c) if gelu else c


def matmul(a: Float32, b: Float32, bias: Float32, gelu: bool = False, tile: int = TILE) -> Float32:
    """Return A [M, K] @ B [K, N] + bias [N], float32, as the bf16 kernels compute it, to the bit, for any M, K and N.

    A and B are rounded to bf16; the result has bf16 values. GELU follows if ``gelu``. Raises CompileError.
    """
    rows, columns = len(a), b.shape[1]
    a_blocks = aligned(blocks.activation_blocks(_padded(a, tile, tile), tile))
    b_blocks = aligned(blocks.weight_blocks(_padded(b, tile, tile), tile))
    table = blocks.bias_table(_padded(bias[None], 1, tile)[0], tile)
    core = _Core(tile, gelu)
    out = np.zeros((len(a_blocks), b_blocks.shape[1], tile * tile), np.uint16)
    for m, n in np.ndindex(out.shape[:2]):
        core.table(table[n * tile : (n + 1) * tile])
        core.call("gemm_zero", core.acc)
        for k in range(len(b_blocks)):
            core.call("gemm_mac", a_blocks[m, k], b_blocks[k, n], core.acc)
        core.call("gemm_out", core.acc, core.table_buffer, core.c, core.prm, 0)
        out[m, n] = core.c
    return blocks.activation_matrix(out, tile)[:rows, :columns]


def matmul_i8(
    a: tuple[Int8, Float32], b: tuple[Int8, Float32], bias: Float32, gelu: bool = False, tile: int = TILE
) -> Float32:
    """Return A @ B + bias, float32 [M, N], as the int8 kernels compute it, followed by GELU if ``gelu``.

    ``a`` is values and scales as ``quantise_rows`` returns them, ``b`` as ``quantise_columns`` does. Raises
    CompileError.
    """
    rows, columns = len(a[0]), b[0].shape[1]
    a_blocks = aligned(blocks.activation_blocks_i8(_padded(a[0], tile, 2 * tile), tile))
    b_blocks = aligned(blocks.weight_blocks_i8(_padded(b[0], 2 * tile, tile), tile))
    row_scales, column_scales = (_padded(scales[None], 1, tile)[0] for scales in (a[1], b[1]))
    table = blocks.scale_bias_table(column_scales, _padded(bias[None], 1, tile)[0], tile)
    core = _Core(tile, gelu)
    out = np.zeros((len(a_blocks), b_blocks.shape[1], tile * tile), np.uint16)
    for m, n in np.ndindex(out.shape[:2]):
        scales = aligned(_padded(row_scales[None, m * tile : (m + 1) * tile], 1, tile * tile // 2))
        core.call("gemm_scales", scales, core.state)
        core.table(table[2 * n * tile : 2 * (n + 1) * tile])
        core.call("gemm_zero", core.acc)
        for k in range(len(b_blocks)):
            core.call("gemm_mac_i8", a_blocks[m, k], b_blocks[k, n], core.acc)
        core.call("gemm_out_i8", core.acc, core.table_buffer, core.state, core.c, core.prm, 0)
        out[m, n] = core.c
    return blocks.activation_matrix(out, tile)[:rows, :columns]


class _Core:
    """The buffers of one simulated core, filled with junk as on the chip, and calls of the kernels on them.

    The buffer ``prm`` has the command.
    """

    def __init__(self, tile: int, gelu: bool) -> None:
        self.library = library(tile)
        self.tile = tile
        self.acc, self.table_buffer, self.state = (buffer(n, np.float32) for n in (tile * tile, TABLE, STATE))
        self.c = buffer(tile * tile, np.uint16)
        self.prm = buffer(WORDS, np.int32)
        command = np.zeros(tile * tile // 2, np.int32)
        command[MatmulWord.FLAGS] = GELU if gelu else 0
        self.call("gemm_cmd", aligned(command), self.prm)

    def table(self, values: Float32) -> None:
        """Send these biases (and scales) to the core's table, in as many calls of gemm_table as they need."""
        each = min(self.tile**2 // 2, TABLE)
        for i, part in enumerate(_parts(values, each)):
            self.call("gemm_table", aligned(_padded(part[None], 1, self.tile**2 // 2)), self.table_buffer, i)

    def call(self, name: str, *args: NDArray[Any] | int) -> None:
        """Call a kernel function with pointers to the arrays, and with the integers as they are."""
        self.library[name](*(arg if isinstance(arg, int) else ctypes.c_void_p(arg.ctypes.data) for arg in args))


@cache
def library(tile: int = TILE) -> ctypes.CDLL:
    """Return the matmul kernels compiled for the host with blocks of ``tile`` x ``tile``. Raises CompileError."""
    return build([SOURCE], {"TILE": tile})


def _padded(matrix: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """Return the matrix with zeros below and to the right, up to multiples of ``rows`` and ``columns``."""
    return np.pad(matrix, ((0, -matrix.shape[0] % rows), (0, -matrix.shape[1] % columns)))


def _parts(values: Float32, each: int) -> Iterator[Float32]:
    for start in range(0, len(values), each):
        yield values[start : start + each]
