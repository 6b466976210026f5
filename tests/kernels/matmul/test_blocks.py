"""Packing into blocks is invertible, and every element is at the place where the kernels read it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kernels.host.numerics import Rounding, to_bfloat16
from kernels.matmul.blocks import (
    activation_blocks,
    activation_blocks_i8,
    activation_matrix,
    bias_table,
    from_bf16,
    quantise_columns,
    quantise_rows,
    scale_bias_table,
    to_bf16,
    weight_blocks,
    weight_blocks_i8,
)
from tests.kernels.matmul.weight_matrix import weight_matrix

sizes = st.tuples(st.integers(1, 3), st.integers(1, 3), st.sampled_from([16, 32, 64]), st.integers(0, 2**32 - 1))
matrices = st.tuples(st.integers(1, 6), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-1e4, 1e4, width=32))
)


@given(arrays(np.uint32, 64))
def test_bf16_is_rounded_as_the_core_rounds(bits: np.ndarray) -> None:
    values = bits.view(np.float32)
    numbers = values[~np.isnan(values)]

    assert np.array_equal(to_bf16(numbers), to_bfloat16(numbers, Rounding.CONV_EVEN))
    assert np.isnan(from_bf16(to_bf16(values[np.isnan(values)]))).all()


@given(sizes)
def test_activations_come_out_again(size: tuple[int, int, int, int]) -> None:
    m, k, tile, seed = size
    matrix = from_bf16(np.random.default_rng(seed).integers(0, 0x7F00, (m * tile, k * tile), dtype=np.uint16))

    blocks = activation_blocks(matrix, tile)

    assert blocks.shape == (m, k, tile * tile)
    assert np.array_equal(activation_matrix(blocks, tile), matrix)


@given(sizes)
def test_weights_come_out_again(size: tuple[int, int, int, int]) -> None:
    k, n, tile, seed = size
    rng = np.random.default_rng(seed)
    bf16 = from_bf16(rng.integers(0, 0x7F00, (k * tile, n * tile), dtype=np.uint16))
    int8 = rng.integers(-127, 128, (2 * k * tile, n * tile), dtype=np.int8)

    assert np.array_equal(weight_matrix(weight_blocks(bf16, tile), tile), bf16)
    assert np.array_equal(weight_matrix(weight_blocks_i8(int8, tile), tile), int8)


def test_an_activation_lies_where_every_kernel_looks_for_it() -> None:
    bits = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    block = activation_blocks(from_bf16(bits)).reshape(-1)
    values = np.random.default_rng(0).integers(-127, 128, (64, 128), dtype=np.int8)
    block_i8 = activation_blocks_i8(values).reshape(-1)

    for i, j in [(0, 0), (3, 7), (4, 0), (0, 8), (17, 42), (63, 63)]:
        assert block[(i // 4 * 8 + j // 8) * 32 + i % 4 * 8 + j % 8] == bits[i, j]
        assert block_i8[(i // 4 * 16 + j // 8) * 32 + i % 4 * 8 + j % 8] == values[i, j]


@given(matrices)
def test_quantised_rows_are_half_a_step_away_at_most(matrix: np.ndarray) -> None:
    values, scales = quantise_rows(matrix)

    assert np.abs(values.astype(int)).max() <= 127
    assert np.array_equal(from_bf16(to_bf16(scales)), scales)
    step = scales[:, None].astype(np.float64)
    assert (np.abs(values * step - matrix) <= step * (0.5 + 1e-4)).all()


@given(matrices)
def test_quantised_rows_use_their_range(matrix: np.ndarray) -> None:
    values, scales = quantise_rows(matrix)

    normal = np.abs(matrix).max(axis=1) > 2.0**-100
    assert (np.abs(values.astype(int)).max(axis=1)[normal] >= 126).all()
    assert (scales[~np.abs(matrix).any(axis=1)] == 1).all()


def test_columns_are_rows_of_the_transpose() -> None:
    matrix = np.random.default_rng(0).standard_normal((48, 16)).astype(np.float32)
    values, scales = quantise_columns(matrix)
    transposed, same = quantise_rows(matrix.T)

    assert np.array_equal(values, transposed.T)
    assert np.array_equal(scales, same)


@pytest.mark.parametrize("tile", [16, 64])
def test_tables_go_by_column_tiles(tile: int) -> None:
    bias, scales = np.arange(2 * tile, dtype=np.float32), np.arange(2 * tile, dtype=np.float32) + 1000
    table = scale_bias_table(scales, bias, tile)

    assert np.array_equal(bias_table(bias, tile), bias)
    assert np.array_equal(table[:tile], scales[:tile])
    assert np.array_equal(table[tile : 2 * tile], bias[:tile])
    assert np.array_equal(table[2 * tile : 3 * tile], scales[tile:])
