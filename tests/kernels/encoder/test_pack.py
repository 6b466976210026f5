"""Packing and unpacking are inverse: matrices, residuals, mel and weights, for every shape with padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.encoder.pack import load, load_residual, pack_mel, pack_weights, store
from kernels.encoder.plan import plan
from kernels.encoder.reference import convolve, gelu
from kernels.encoder.regions import BLOCK, ROWS, TILE, Matrix
from kernels.encoder.shapes import HEAD, SHAPES, Shape
from kernels.encoder.steps import GROUP
from kernels.encoder.weights import QUERY_SCALE, Linear, Norm, by_head, by_tap, random_encoder
from kernels.matmul.blocks import from_bf16, to_bf16
from tests.kernels.matmul.weight_matrix import weight_matrix

TINY = Shape("tiny with two layers", 384, 6, 2, frames=300)  # pads width, heads and rows


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 255), st.integers(0, 63), st.integers(0, 5), st.randoms())
def test_a_matrix_comes_back(groups: int, width: int, short: int, narrow: int, before: int, random: object) -> None:
    shape = (groups * ROWS * TILE - short, width * TILE - narrow)
    matrix = from_bf16(to_bf16(np.random.default_rng(short).standard_normal(shape)))
    place = Matrix("x", before * BLOCK, groups, width)
    arena = np.full(place.offset + place.elements + BLOCK, 0x7FC0, np.uint16)
    store(arena, place, matrix)
    back = load(arena, place)
    np.testing.assert_array_equal(back[: shape[0], : shape[1]], matrix)
    assert not back[shape[0] :].any()
    assert not back[:, shape[1] :].any()
    outside = np.concatenate([arena[: place.offset], arena[place.offset + place.elements :]])
    assert (outside == 0x7FC0).all()


def test_one_step_of_a_column_is_one_run() -> None:
    """The four row blocks of a group lie together: block (group, column, row) for each core row."""
    matrix = np.arange(2 * ROWS * 3)[:, None, None] * np.ones((1, TILE, TILE))
    rows = matrix.reshape(2 * ROWS, 3, TILE, TILE).transpose(0, 2, 1, 3).reshape(2 * ROWS * TILE, 3 * TILE)
    place = Matrix("x", 0, 2, 3)
    arena = np.zeros(place.elements, np.uint16)
    store(arena, place, rows.astype(np.float32))
    for group in range(2):
        for column in range(3):
            at = place.at(group, column)
            blocks = from_bf16(arena[at : at + GROUP]).reshape(ROWS, BLOCK)
            for row in range(ROWS):
                assert (blocks[row] == (group * ROWS + row) * 3 + column).all()


def test_positions_keep_sixteen_bits() -> None:
    """hi + lo is closer than bf16 by eight bits."""
    encoder = random_encoder(TINY)
    placed = plan(TINY)
    back = load_residual(pack_weights(placed, encoder), placed.positions)[: TINY.frames, : TINY.width]
    assert np.abs(back - encoder.positions).max() <= np.abs(encoder.positions).max() * 2.0**-16
    assert np.abs(from_bf16(to_bf16(encoder.positions)) - encoder.positions).max() > 2.0**-10


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_weights_come_back_in_the_order_of_the_array(columns: int) -> None:
    encoder = random_encoder(TINY, seed=3)
    placed = plan(TINY, columns)
    arena = pack_weights(placed, encoder)
    (place,) = placed.layers[1].down
    for col in range(columns):
        at = place.offset + col * place.per_column
        table = arena[at : at + place.table_objects * BLOCK].view(np.float32)
        blocks = arena[at + place.table_objects * BLOCK : at + place.per_column]
        for tile in range(place.tiles):
            first = (tile * columns + col) * TILE
            mine = blocks[tile * place.steps * BLOCK : (tile + 1) * place.steps * BLOCK].reshape(place.steps, 1, BLOCK)
            want = np.zeros((place.steps * TILE, TILE), np.float32)
            part = encoder.layers[1].down.weight[first : first + TILE].T
            want[: part.shape[0], : part.shape[1]] = part
            np.testing.assert_array_equal(weight_matrix(mine), from_bf16(to_bf16(want)))
            bias = encoder.layers[1].down.bias[first : first + TILE]
            np.testing.assert_array_equal(table[tile * TILE :][: len(bias)], bias)


def test_heads_lie_query_first_then_key_and_value_in_turn() -> None:
    shape = Shape("", 384, 6, 1)
    numbered = np.arange(3 * 384, dtype=np.float32)
    rows = by_head(Linear(numbered[:, None] * np.ones((1, 384), np.float32), numbered), shape)
    blocks = rows.bias.reshape(-1, HEAD)
    assert len(blocks) == 3 * 8
    np.testing.assert_allclose(blocks[:6].reshape(-1), numbered[:384] * QUERY_SCALE, rtol=1e-6)
    assert not blocks[6:8].any()
    for head in range(6):
        np.testing.assert_array_equal(blocks[8 + 2 * head], numbered[384 + head * HEAD :][:HEAD])
        np.testing.assert_array_equal(blocks[9 + 2 * head], numbered[768 + head * HEAD :][:HEAD])
    assert not blocks[20:].any()


def test_a_norm_folds_into_what_follows() -> None:
    rng = np.random.default_rng(0)
    linear = Linear(rng.standard_normal((5, 7)).astype(np.float32), rng.standard_normal(5).astype(np.float32))
    norm = Norm(rng.standard_normal(7).astype(np.float32), rng.standard_normal(7).astype(np.float32))
    x = rng.standard_normal((3, 7)).astype(np.float32)
    folded = linear.after(norm)
    want = (x * norm.gain + norm.bias) @ linear.weight.T + linear.bias
    np.testing.assert_allclose(x @ folded.weight.T + folded.bias, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["demo", "base", "large-v3"])
def test_the_convolutions_as_products_are_whispers(name: str) -> None:
    """The rows that the first product reads, times its packed weights, are what the second convolution wants."""
    whole = SHAPES[name]
    shape = Shape(name, 256, 4, 1, whole.n_mels, frames=300)
    encoder = random_encoder(shape, seed=5)
    mel = np.random.default_rng(6).standard_normal((shape.n_mels, 2 * shape.frames)).astype(np.float32)
    placed = plan(shape)
    activations = np.zeros(placed.activation_elements, np.uint16)
    pack_mel(placed, mel, activations)
    rows = load(activations, placed.conv_in).astype(np.float64)
    arena, (place,) = pack_weights(placed, encoder), placed.conv1
    stored = arena[place.offset : place.offset + 4 * place.per_column].reshape(4, -1, BLOCK)
    assert not stored[:, : place.table_objects].any()  # the bias is in the weights
    blocks = stored[:, place.table_objects :].reshape(4, place.tiles, place.steps, BLOCK)
    weights = weight_matrix(np.ascontiguousarray(blocks.transpose(2, 1, 0, 3)).reshape(place.steps, -1, BLOCK))
    before, even, odd = np.split(gelu(rows @ weights), 3)
    taps = np.hstack([part[: shape.frames] for part in (before, even, odd)])
    got = taps @ by_tap(encoder.conv2).T.astype(np.float64) + encoder.conv2.bias
    want = convolve(encoder.conv2, gelu(convolve(encoder.conv1, mel.T.astype(np.float64), 1)), 2)
    assert np.linalg.norm(got - want) / np.linalg.norm(want) < 4e-3  # bf16 of mel and weights
    assert not before[0].any()  # the second convolution pads with zeros, not with what a silent frame gives
