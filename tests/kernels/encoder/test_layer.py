"""A layer on the simulated array equals the kernels called in plain loops, and a whole encoder is near float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.npu.demo import demo_encoder, window
from kernels.array.lower.encode import encode
from kernels.array.simulate.simulate import Simulation
from kernels.attention.reference import call_kernels
from kernels.encoder import reference
from kernels.encoder.overlay import overlay
from kernels.encoder.pack import (
    load,
    load_residual,
    pack_commands,
    pack_mel,
    pack_weights,
    store,
    store_residual,
    unpack,
)
from kernels.encoder.plan import EncoderPlan, plan
from kernels.encoder.regions import TILE, Matrix, RowBlocks
from kernels.encoder.shapes import HEAD, SHAPES, Shape
from kernels.encoder.weights import EncoderWeights, Linear, by_head, random_encoder
from kernels.encoder.window_ops import convolutions, layers, sequence
from kernels.matmul.blocks import activation_matrix, quantise_columns
from kernels.matmul.reference import matmul, matmul_i8
from kernels.registry import OPS
from kernels.rows.reference import call_quantise_kernels, call_row_kernels

SMALL = Shape("small", 256, 4, 1, frames=250)
BF16, INT8 = 0.006, 0.03  # relative L2 error of an encoder's result, of trained and of random weights


class Array:
    """A simulated array that runs an encoder, with the weights in its memory."""

    def __init__(self, shape: Shape, encoder: EncoderWeights, *, int8: bool = False) -> None:
        self.plan = plan(shape, int8=int8)
        steps = [
            ("convolutions", list(convolutions(self.plan))),
            ("layers", list(layers(self.plan, range(shape.layers)))),
        ]
        sequences = tuple(sequence(self.plan, name, some) for name, some in steps)
        self.design = overlay("encoder", OPS["encoder_int8" if int8 else "encoder"], sequences)
        self.simulation = Simulation(self.design)
        self.activations = np.zeros(self.plan.activation_elements, np.uint16)
        self.weights, self.commands = pack_weights(self.plan, encoder), pack_commands(self.plan)

    def run(self, name: str) -> None:
        stream = encode(self.design, next(one for one in self.design.sequences if one.name == name))
        arguments = (self.activations, self.weights, self.commands)
        self.simulation.run(stream, [argument.view(np.uint8) for argument in arguments])


@pytest.mark.parametrize("int8", [False, True])
def test_a_layer_equals_plain_loops(int8: bool) -> None:
    encoder = random_encoder(SMALL, seed=8)
    array = Array(SMALL, encoder, int8=int8)
    placed, rng = array.plan, np.random.default_rng(9)
    x = rng.standard_normal((256, 256)).astype(np.float32)
    norm = rng.standard_normal((256, 256)).astype(np.float32)
    pair = placed.residuals[0]
    store(array.activations, placed.norm, norm)
    store_residual(array.activations, pair, x)
    array.run("layers")
    want = _plain(placed, encoder, x, norm)
    np.testing.assert_array_equal(_row_blocks(array.activations, placed.qkv), want["qkv"])
    for name in ("context", "hidden", "added", "norm"):
        place: Matrix = getattr(placed, name)
        np.testing.assert_array_equal(load(array.activations, place), want[name], err_msg=name)
    np.testing.assert_array_equal(load_residual(array.activations, pair), want["residual"])


def _plain(
    placed: EncoderPlan, encoder: EncoderWeights, x: NDArray[np.float32], norm: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Compute a layer with each kernel folder's own loops: without FIFOs, DMA or instruction streams.

    The results are returned by name.
    """
    layer, shape = encoder.layers[0], placed.shape

    def product(a: NDArray[np.float32], linear: Linear, *, gelu: bool = False) -> NDArray[np.float32]:
        weight = np.ascontiguousarray(linear.weight.T)
        if not placed.int8:
            return matmul(a, weight, linear.bias, gelu)
        filled = np.pad(a, ((0, 0), (0, -a.shape[1] % 512)))  # whole objects
        rows = [call_quantise_kernels(filled[i : i + TILE]) for i in range(0, len(a), TILE)]
        values, scales = (np.concatenate(part) for part in zip(*rows, strict=True))
        return matmul_i8((values[:, : a.shape[1]], scales), quantise_columns(weight), linear.bias, gelu)

    def add(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        parts = [call_row_kernels(a[i : i + TILE], b[i : i + TILE]) for i in range(0, len(a), TILE)]
        high, low, normalised = (np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True))
        return high + low, normalised

    qkv = product(norm, by_head(layer.qkv.after(layer.attention_norm), shape))
    heads = [qkv[:, i * HEAD : (i + 1) * HEAD] for i in range(3 * shape.heads)]
    pairs = [(heads[shape.heads + 2 * head], heads[shape.heads + 2 * head + 1]) for head in range(shape.heads)]
    context = np.hstack(
        [call_kernels(heads[head], *pairs[head], valid=shape.frames) for head in range(shape.heads)]
    ).astype(np.float32)
    between, normalised = add(x, product(context, layer.out))
    hidden = product(normalised, layer.up.after(layer.ffn_norm), gelu=True)
    added = product(hidden, layer.down)
    residual, last = add(between, added)
    results = {"qkv": qkv, "context": context, "hidden": hidden, "added": added, "residual": residual, "norm": last}
    return {name: result.astype(np.float64) for name, result in results.items()}


def _row_blocks(arena: NDArray[np.uint16], place: RowBlocks) -> NDArray[np.float32]:
    blocks = arena[place.offset : place.offset + place.elements].reshape(-1, place.width, TILE * TILE)
    return activation_matrix(blocks)


def test_the_demo_encoder_on_speech_is_near_float64() -> None:
    """Every op of a whole window: both convolutions, four layers, 1,500 frames; 100 times nearer than a wrong tile."""
    encoder, mel = demo_encoder(), window()
    result = _encode(SHAPES["demo"], encoder, mel)
    assert _relative(result, reference.encode(encoder, mel)) < BF16


@pytest.mark.slow
def test_the_demo_encoder_in_int8() -> None:
    encoder, mel = demo_encoder(), window()
    result = _encode(SHAPES["demo"], encoder, mel, int8=True)
    assert _relative(result, reference.encode(encoder, mel)) < INT8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny", "base", "small", "large-v3"])
@pytest.mark.parametrize("int8", [False, True])
def test_one_layer_of_every_size_is_near_float64(name: str, int8: bool) -> None:
    shape = dataclasses.replace(SHAPES[name], layers=1)
    encoder = random_encoder(shape, seed=10)
    mel = 0.5 * np.random.default_rng(11).standard_normal((shape.n_mels, 2 * shape.frames)).astype(np.float32)
    result = _encode(shape, encoder, mel, int8=int8)
    assert _relative(result, reference.encode(encoder, mel)) < (INT8 if int8 else BF16)


def _encode(
    shape: Shape, encoder: EncoderWeights, mel: NDArray[np.float32], *, int8: bool = False
) -> NDArray[np.float32]:
    array = Array(shape, encoder, int8=int8)
    pack_mel(array.plan, mel, array.activations)
    array.run("convolutions")
    array.run("layers")
    return unpack(array.plan, array.activations, encoder.norm)


def _relative(result: NDArray[np.float32], exact: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(result - exact) / np.linalg.norm(exact))
