"""An encoder's weights as the checkpoint has them, and what the host folds into them before they are packed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.encoder.shapes import HEAD, Shape

Float32 = NDArray[np.float32]

QUERY_SCALE = np.float32(np.log2(np.e) / (4 * HEAD**0.5))  # base 2, and the 4 of the kernel's fixed point: attention.cc


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation: gain and bias, float32 [d]."""

    gain: Float32
    bias: Float32


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x @ weight.T + bias: weight float32 [out, in] (a convolution's: [out, in, 3]), bias float32 [out]."""

    weight: Float32
    bias: Float32

    def after(self, norm: Norm) -> Linear:
        """The same map of rows that were normalised without gain and bias."""
        return Linear(self.weight * norm.gain, self.bias + self.weight @ norm.bias)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; ``qkv`` has the rows of query, key and value below each other: [3 d, d]."""

    attention_norm: Norm
    qkv: Linear
    out: Linear
    ffn_norm: Norm
    up: Linear
    down: Linear


@dataclass(frozen=True, slots=True)
class Encoder:
    """Whisper's encoder: two convolutions of width 3, positions float32 [1500, d], layers, the last norm."""

    conv1: Linear
    conv2: Linear
    positions: Float32
    layers: tuple[Layer, ...]
    norm: Norm


def by_head(qkv: Linear, shape: Shape) -> Linear:
    """Rows as the overlay wants its columns: every head's query, then key and value of each head in turn.

    Queries carry the scale of the scores (QUERY_SCALE). Heads beyond the checkpoint's are zero: they attend evenly to
    values of zero.
    """
    heads, blank = shape.heads, shape.padded_heads - shape.heads
    query, key, value = (
        np.concatenate([part.reshape(heads, HEAD, -1), np.zeros((blank, HEAD, part.size // len(part)), np.float32)])
        for part in np.split(np.column_stack([qkv.weight, qkv.bias]), 3)
    )
    query *= QUERY_SCALE
    rows = np.concatenate([query.reshape(-1, query.shape[-1]), np.stack([key, value], 1).reshape(-1, key.shape[-1])])
    return Linear(rows[:, :-1], rows[:, -1])


def by_tap(conv: Linear) -> Float32:
    """A convolution's weight as a matrix [out, 3 * in] over three frames side by side."""
    return conv.weight.transpose(0, 2, 1).reshape(len(conv.weight), -1)


def random_encoder(shape: Shape, seed: int = 0) -> Encoder:
    """Random weights of this shape, scaled so that activations keep the size that trained ones have."""
    rng = np.random.default_rng(seed)

    def linear(out: int, wide: int, *kernel: int) -> Linear:
        scale = (wide * (kernel or (1,))[0]) ** -0.5
        weight = (rng.standard_normal((out, wide, *kernel)) * scale).astype(np.float32)
        return Linear(weight, (rng.standard_normal(out) * 0.1).astype(np.float32))

    def norm() -> Norm:
        gain = (1 + 0.1 * rng.standard_normal(shape.width)).astype(np.float32)
        return Norm(gain, (0.1 * rng.standard_normal(shape.width)).astype(np.float32))

    width = shape.width
    layers = tuple(
        Layer(
            norm(),
            linear(3 * width, width),
            linear(width, width),
            norm(),
            linear(4 * width, width),
            linear(width, 4 * width),
        )
        for _ in range(shape.layers)
    )
    positions = (0.3 * rng.standard_normal((shape.frames, width))).astype(np.float32)
    return Encoder(linear(width, shape.n_mels, 3), linear(width, width, 3), positions, layers, norm())
