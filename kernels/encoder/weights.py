"""The weights of Whisper's encoder, and the arithmetic that is folded into them before they are packed for the NPU.

The CPU encoders and the NPU are built from these classes. A matrix keeps the form in which the checkpoint stores it,
often a view of the file, until its float32 values are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.encoder.shapes import HEAD, Shape

Float32 = NDArray[np.float32]

QUERY_SCALE = np.float32(np.log2(np.e) / (4 * HEAD**0.5))  # base 2, and the 4 of the kernel's fixed point: attention.cc


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in the form in which a CTranslate2 checkpoint stores it; ``values`` is read-only and may be unaligned.

    ``dtype`` is "float32", "int8", "int16", "int32", "float16" or "bfloat16". bfloat16 has no numpy type: its values
    are the bits, as uint16. If ``scale`` is given (int8, int16), float32 [rows] or [1], the tensor is ``values /
    scale``.
    """

    values: NDArray[Any]
    dtype: str
    scale: Float32 | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions of the tensor."""
        return self.values.shape

    def float32(self) -> Float32:
        """Return the tensor's values as a new, aligned array."""
        if self.dtype == "bfloat16":
            return (self.values.astype(np.uint32) << 16).view(np.float32)
        tensor = self.values.astype(np.float32)
        if self.scale is not None:
            tensor /= self.scale.reshape(-1, *(1,) * (tensor.ndim - 1))
        return tensor


@dataclass(frozen=True, slots=True)
class Norm:
    """The weights of a layer normalisation: gain and bias, float32 [d]."""

    gain: Float32
    bias: Float32


@dataclass(frozen=True, slots=True)
class Linear:
    """An affine map y = x @ weight.T + bias, with bias float32 [out] and a weight [out, in].

    The weight of a convolution is [out, in, 3]. ``stored`` is the weight in the checkpoint's form.
    """

    stored: Float32 | StoredTensor
    bias: Float32

    @property
    def weight(self) -> Float32:
        """The weight in float32; a weight stored in another form is decoded at each access."""
        return self.stored.float32() if isinstance(self.stored, StoredTensor) else self.stored

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions of the weight."""
        return self.stored.shape

    def after(self, norm: Norm) -> Linear:
        """Return this map with the gain and bias of the layer norm in front of it folded in.

        The result is for rows that were normalised without gain and bias.
        """
        weight = self.weight
        return Linear(weight * norm.gain, self.bias + weight @ norm.bias)


@dataclass(frozen=True, slots=True)
class EncoderLayer:
    """The weights of one layer, with a layer norm before each half. ``qkv`` stacks query, key and value rows: [3 d, d].

    ``out`` is the projection of the attention's result; ``up`` and ``down`` are the two products of the feed-forward
    half, with GELU between them.
    """

    attention_norm: Norm
    qkv: Linear
    out: Linear
    ffn_norm: Norm
    up: Linear
    down: Linear


@dataclass(frozen=True, slots=True)
class EncoderWeights:
    """The weights of a Whisper encoder: two convolutions of width 3, positions, layers and a last layer norm.

    Each convolution is followed by GELU; the second has stride 2. ``positions`` is float32 [1500, d]. ``heads`` is the
    number of attention heads of every layer.
    """

    conv1: Linear
    conv2: Linear
    positions: Float32
    layers: tuple[EncoderLayer, ...]
    norm: Norm
    heads: int

    @property
    def d_model(self) -> int:
        """The width d of the encoder's states."""
        return self.conv1.shape[0]

    @property
    def n_mels(self) -> int:
        """The number of mel bands that the encoder takes."""
        return self.conv1.shape[1]


def by_head(qkv: Linear, shape: Shape) -> Linear:
    """Return a layer's query, key and value rows in the order that the overlay needs.

    All heads' queries come first, then key and value of each head in turn. Queries carry the scale of the scores
    (QUERY_SCALE). Heads beyond the checkpoint's are zero: they attend evenly to values of zero.
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
    """Return a convolution's weight as a matrix [out, 3 * in], which multiplies three frames side by side."""
    return conv.weight.transpose(0, 2, 1).reshape(conv.shape[0], -1)


def random_encoder(shape: Shape, seed: int = 0) -> EncoderWeights:
    """Return random weights of this shape, scaled so that activations are about as large as with trained weights."""
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
        EncoderLayer(
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
    return EncoderWeights(
        linear(width, shape.n_mels, 3), linear(width, width, 3), positions, layers, norm(), shape.heads
    )
