"""What a product should be (float64), what the kernels make of it to the bit (their host build in plain loops over
blocks), and how far the two may be apart."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.gelu import reference as gelu_reference
from kernels.host.buffers import aligned, buffer
from kernels.host.compile import build
from kernels.matmul import blocks
from kernels.matmul.blocks import TILE, Float32, Int8

Float64 = NDArray[np.float64]

SOURCE = Path(__file__).parent / "matmul.cc"
FLAGS, GELU = 9, 1  # word of the command, and its bit
TABLE, STATE, PRM = 1024, 256, 16  # elements of a core's buffers


@dataclass(frozen=True, slots=True)
class Error:
    """Of C against a reference: relative L2 error, and the largest error over the root mean square of the reference."""

    relative: float
    worst: float

    def within(self, limit: Error) -> bool:
        return self.relative <= limit.relative and self.worst <= limit.worst


# What the kernels may do to a product of a trained or Whisper-sized encoder, against float64 on the same operands.
# Rounding the result to bf16 alone is 0.0017 and up to 2**-8 of the largest |C|; the int8 epilogue rounds three times.
BF16 = Error(relative=0.0018, worst=0.06)
INT8 = Error(relative=0.0036, worst=0.12)
# The same against the operands before they were rounded to bf16, or quantised.
BF16_WHOLE = Error(relative=0.0045, worst=0.08)
INT8_WHOLE = Error(relative=0.018, worst=0.25)


def exact(a: NDArray[Any], b: NDArray[Any], bias: Float32, gelu: bool = False) -> Float64:
    """A [M, K] @ B [K, N] + bias [N], with GELU if asked for, in float64."""
    c: Float64 = a.astype(np.float64) @ b.astype(np.float64) + bias
    return gelu_reference.exact(c) if gelu else c


def matmul(a: Float32, b: Float32, bias: Float32, gelu: bool = False, tile: int = TILE) -> Float32:
    """A [M, K] @ B [K, N] + bias [N] by the bf16 kernels, to the bit; any M, K and N. A and B are rounded to bf16."""
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
    """The int8 kernels' product of values and scales as ``quantise_rows`` and ``quantise_columns`` give them."""
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


def error(c: NDArray[Any], reference: Float64) -> Error:
    """How far C is from a reference."""
    difference = c.astype(np.float64) - reference
    size = float(np.sqrt(np.mean(reference**2)))
    return Error(float(np.sqrt(np.mean(difference**2))) / size, float(np.abs(difference).max()) / size)


class _Core:
    """A core's buffers, as the chip leaves them (nothing is zero), and the command in its ``prm``."""

    def __init__(self, tile: int, gelu: bool) -> None:
        self.library = library(tile)
        self.tile = tile
        self.acc, self.table_buffer, self.state = (buffer(n, np.float32) for n in (tile * tile, TABLE, STATE))
        self.c = buffer(tile * tile, np.uint16)
        self.prm = buffer(PRM, np.int32)
        command = np.zeros(tile * tile // 2, np.int32)
        command[FLAGS] = GELU if gelu else 0
        self.call("gemm_cmd", aligned(command), self.prm)

    def table(self, values: Float32) -> None:
        """The table objects that hold these values, one after the other."""
        each = min(self.tile**2 // 2, TABLE)
        for i, part in enumerate(_parts(values, each)):
            self.call("gemm_table", aligned(_padded(part[None], 1, self.tile**2 // 2)), self.table_buffer, i)

    def call(self, name: str, *args: NDArray[Any] | int) -> None:
        self.library[name](*(arg if isinstance(arg, int) else ctypes.c_void_p(arg.ctypes.data) for arg in args))


@cache
def library(tile: int = TILE) -> ctypes.CDLL:
    """The host build of the kernels for this tile. Raises CompileError."""
    return build([SOURCE], {"TILE": tile})


def _padded(matrix: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """Zeros below and to the right, up to multiples of ``rows`` and ``columns``."""
    return np.pad(matrix, ((0, -matrix.shape[0] % rows), (0, -matrix.shape[1] % columns)))


def _parts(values: Float32, each: int) -> Iterator[Float32]:
    for start in range(0, len(values), each):
        yield values[start : start + each]
