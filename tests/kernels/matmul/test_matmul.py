"""The matmul kernels equal AIE2's arithmetic to the bit, and are near float64 for any shape."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels.gelu import reference as gelu_reference
from kernels.host import numerics
from kernels.host.buffers import aligned, buffer
from kernels.host.numerics import Rounding
from kernels.matmul import blocks, reference
from kernels.matmul.reference import library
from tests.kernels.host import arithmetic

shapes = st.tuples(st.integers(1, 40), st.integers(1, 70), st.integers(1, 40), st.integers(0, 2**32 - 1), st.booleans())


def call(name: str, *args: NDArray[Any] | int, tile: int = 64) -> None:
    pointers = (arg if isinstance(arg, int) else ctypes.c_void_p(arg.ctypes.data) for arg in args)
    library(tile)[name](*pointers)


def random_bf16(seed: int, *shape: int) -> NDArray[np.uint16]:
    """Return random bf16 of many magnitudes, 2**-12 to 2**12, so that sums align terms far apart."""
    rng = np.random.default_rng(seed)
    return blocks.to_bf16(rng.standard_normal(shape) * np.exp2(rng.integers(-12, 13, shape)))


@pytest.mark.parametrize("tile", [16, 32, 64])
@pytest.mark.parametrize("gelu", [False, True])
def test_a_block_is_what_the_arithmetic_of_the_core_makes_it(tile: int, gelu: bool) -> None:
    a, b = random_bf16(1, tile, tile), random_bf16(2, tile, tile)
    bias = np.random.default_rng(3).standard_normal(tile).astype(np.float32)
    expected = arithmetic.matmul(a, b, np.zeros((tile, tile), np.float32))
    if gelu:
        shift = numerics.add(bias, np.full_like(bias, 0.25))
        rounded = gelu_reference.fixed_point_of_shifted(numerics.add(expected, shift))
    else:
        rounded = numerics.to_bfloat16(numerics.add(expected, bias), Rounding.CONV_EVEN)

    c = reference.matmul(blocks.from_bf16(a), blocks.from_bf16(b), bias, gelu, tile)

    assert np.array_equal(blocks.to_bf16(c), rounded)


@pytest.mark.parametrize("tile", [16, 32, 64])
def test_int8_sums_are_exact(tile: int) -> None:
    rng = np.random.default_rng(4)
    a = rng.integers(-127, 128, (tile, 2 * tile), dtype=np.int8)
    b = rng.integers(-127, 128, (2 * tile, tile), dtype=np.int8)
    a[0], b[:, 0] = 127, -127
    acc = buffer(tile * tile, np.int32)

    call("gemm_zero", acc, tile=tile)
    for _ in range(3):
        a_block, b_block = aligned(blocks.activation_blocks_i8(a, tile)), aligned(blocks.weight_blocks_i8(b, tile))
        call("gemm_mac_i8", a_block, b_block, acc, tile=tile)

    squares = acc.reshape(tile // 16, tile // 16, 4, 2, 4, 8).transpose(0, 2, 4, 1, 3, 5).reshape(tile, tile)
    assert np.array_equal(squares, 3 * (a.astype(np.int64) @ b.astype(np.int64)))


@pytest.mark.parametrize("tile", [16, 64])
@pytest.mark.parametrize("largest", [10**3, 10**6, 127 * 127 * 5120])
def test_the_int8_epilogue_is_what_the_arithmetic_of_the_core_makes_it(tile: int, largest: int) -> None:
    rng = np.random.default_rng(5)
    sums = rng.integers(-largest, largest + 1, (tile, tile))
    rows, columns = (blocks.from_bf16(blocks.to_bf16(rng.random(tile) * 0.01)) for _ in range(2))
    bias = rng.standard_normal(tile).astype(np.float32)
    as_float = numerics.to_bfloat16(sums.astype(np.float32), Rounding.CONV_EVEN)
    scaled = product(as_float, blocks.to_bf16(columns)[None, :], np.zeros_like(bias))
    expected = product(numerics.to_bfloat16(scaled, Rounding.CONV_EVEN), blocks.to_bf16(rows)[:, None], bias)

    acc = aligned(sums.reshape(tile // 16, 4, 4, tile // 16, 2, 8).transpose(0, 3, 1, 4, 2, 5).astype(np.int32))
    state, c, table = buffer(256, np.float32), buffer(tile * tile, np.uint16), buffer(1024, np.float32)
    call("gemm_scales", aligned(np.pad(rows, (0, tile * tile // 2 - tile))), state, tile=tile)
    table[4 * tile : 6 * tile] = blocks.scale_bias_table(columns, bias, tile)
    call("gemm_out_i8", acc, table, state, c, aligned(np.zeros(16, np.int32)), 2, tile=tile)

    block = blocks.to_bf16(blocks.activation_matrix(c.reshape(1, 1, -1), tile))
    assert np.array_equal(block, numerics.to_bfloat16(expected, Rounding.CONV_EVEN))


def product(a: NDArray[np.uint16], b: NDArray[np.uint16], acc: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a * b + acc, element by element, with one product to an instruction."""
    a, b, acc = np.broadcast_arrays(a, b, acc)
    return arithmetic.mac(acc, a[..., None], b[..., None])


@given(shapes)
@settings(max_examples=30)
def test_any_shape_is_near_float64(shape: tuple[int, int, int, int, bool]) -> None:
    m, k, n, seed, gelu = shape
    rng = np.random.default_rng(seed)
    a, b = (blocks.from_bf16(blocks.to_bf16(rng.standard_normal(size))) for size in ((m, k), (k, n)))
    bias = rng.standard_normal(n).astype(np.float32)
    exact = reference.exact(a, b, bias, gelu)

    c = reference.matmul(a, b, bias, gelu, tile=16)

    lost_in_sums = 2**-22 * (np.abs(a.astype(np.float64)) @ np.abs(b) + np.abs(bias))
    allowed = 2**-8 * np.abs(exact) + lost_in_sums + (gelu_reference.ERROR if gelu else 0)
    assert c.shape == (m, n)
    assert (np.abs(c - exact) <= allowed).all()


@given(shapes)
@settings(max_examples=30)
def test_any_shape_of_int8_is_near_float64(shape: tuple[int, int, int, int, bool]) -> None:
    m, k, n, seed, gelu = shape
    rng = np.random.default_rng(seed)
    a = blocks.quantise_rows(rng.standard_normal((m, k)).astype(np.float32))
    b = blocks.quantise_columns(rng.standard_normal((k, n)).astype(np.float32))
    bias = rng.standard_normal(n).astype(np.float32)
    scaled = (a[0].astype(np.int64) @ b[0].astype(np.int64)) * a[1][:, None].astype(np.float64) * b[1]
    exact = gelu_reference.exact(scaled + bias) if gelu else scaled + bias

    c = reference.matmul_i8(a, b, bias, gelu, tile=16)

    epilogue = 1.13 * 2 * 2.0**-8 * np.abs(scaled)  # two roundings; GELU's slope is 1.13 at most
    allowed = epilogue + 2**-8 * (np.abs(exact) + epilogue) + gelu_reference.ERROR
    assert (np.abs(c - exact) <= allowed).all()


@pytest.mark.parametrize("kernel", ["gemm_out", "gemm_out_i8"])
def test_epilogues_set_the_modes_they_need(kernel: str) -> None:
    rng = np.random.default_rng(6)
    a, b = rng.standard_normal((64, 64)).astype(np.float32), rng.standard_normal((64, 64)).astype(np.float32)
    bias = np.zeros(64, np.float32)

    def run() -> NDArray[np.float32]:
        library().host_reset_core(0)  # floor, no saturation
        if kernel == "gemm_out":
            return reference.matmul(a, b, bias, gelu=True)
        return reference.matmul_i8(blocks.quantise_rows(a), blocks.quantise_columns(b), bias, gelu=True)

    first = run()
    assert np.array_equal(first, run())
    assert np.isfinite(first).all()
    assert first.min() >= -0.1701  # GELU's least value: wrapped steps or a bias of rounding would go below


def test_a_command_is_sixteen_words_and_no_more() -> None:
    words = np.arange(2048, dtype=np.int32)
    prm = buffer(32, np.int32)

    call("gemm_cmd", aligned(words), prm)

    assert prm.tolist() == [*range(16), *[-1] * 16]


@pytest.mark.parametrize(("tile", "objects"), [(16, 8), (32, 2), (64, 1)])
def test_table_objects_fill_the_table_in_turn(tile: int, objects: int) -> None:
    each = tile * tile // 2
    table = buffer(1024 + 16, np.int32)

    for i in range(objects):
        values = np.arange(each, dtype=np.int32) + i * min(each, 1024)
        call("gemm_table", aligned(values), table, i, tile=tile)

    assert table.tolist() == [*range(1024), *[-1] * 16]


def test_each_column_tile_has_its_own_bias() -> None:
    table = aligned(np.repeat(np.arange(16, dtype=np.float32), 64))
    acc, c, prm = aligned(np.zeros(4096, np.float32)), buffer(4096, np.uint16), aligned(np.zeros(16, np.int32))

    for t in (0, 1, 15):
        call("gemm_out", acc, table, c, prm, t)
        assert (blocks.from_bf16(c) == t).all()
