"""Whisper's encoder on torch, for processors with bfloat16 matrix hardware, which CTranslate2 does not use.

torch is imported only when an encoder is built, because it takes hundreds of megabytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from kernels.encoder.weights import EncoderLayer, EncoderWeights, Linear, Norm
from kernels.mel.audio import Float32
from kernels.mel.features import Features

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Precision = Literal["bfloat16", "float32"]
Pair = tuple["Tensor", "Tensor"]  # weight and bias, or gain and bias


class TorchEncoder:
    """The encoder stage, float32 [B, n_mels, 3000] -> float32 [B, 1500, d_model].

    In bfloat16 the states differ from those in float32 by some hundredths (they are of size 1): 8 bits of mantissa.
    ``threads`` is global: torch has one pool for each process, so the encoder that is built last decides its size.
    """

    device = "cpu"

    def __init__(self, weights: EncoderWeights, precision: Precision, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.precision = precision
        self.dtype: torch.dtype = getattr(torch, precision)
        self.heads = weights.heads
        self.conv1 = self._linear(weights.conv1)
        self.conv2 = self._linear(weights.conv2)
        self.positions = self._tensor(weights.positions)
        self.layers = [self._layer(layer) for layer in weights.layers]
        self.norm = self._norm(weights.norm)

    def __call__(self, features: Features) -> Float32:
        nn = self.torch.nn.functional
        with self.torch.inference_mode():
            x = self._tensor(np.asarray(features))
            x = nn.gelu(nn.conv1d(x, *self.conv1, padding=1))
            x = nn.gelu(nn.conv1d(x, *self.conv2, stride=2, padding=1))
            x = x.transpose(1, 2) + self.positions
            for attention_norm, qkv, out, ffn_norm, up, down in self.layers:
                x = x + nn.linear(self._attend(self._normalised(x, attention_norm), qkv), *out)
                x = x + nn.linear(nn.gelu(nn.linear(self._normalised(x, ffn_norm), *up)), *down)
            states: Float32 = self._normalised(x, self.norm).float().numpy()
        return states

    def _attend(self, x: Tensor, qkv: Pair) -> Tensor:
        batch, frames, width = x.shape
        nn = self.torch.nn.functional
        heads = nn.linear(x, *qkv).view(batch, frames, 3, self.heads, width // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        mixed: Tensor = nn.scaled_dot_product_attention(query, key, value)
        return mixed.transpose(1, 2).reshape(batch, frames, width)

    def _normalised(self, x: Tensor, norm: Pair) -> Tensor:
        return self.torch.nn.functional.layer_norm(x, x.shape[-1:], *norm)

    def _layer(self, layer: EncoderLayer) -> tuple[Pair, ...]:
        return (
            self._norm(layer.attention_norm),
            self._linear(layer.qkv),
            self._linear(layer.out),
            self._norm(layer.ffn_norm),
            self._linear(layer.up),
            self._linear(layer.down),
        )

    def _linear(self, linear: Linear) -> Pair:
        return self._tensor(linear.weight), self._tensor(linear.bias)

    def _norm(self, norm: Norm) -> Pair:
        return self._tensor(norm.gain), self._tensor(norm.bias)

    def _tensor(self, array: Float32) -> Tensor:
        return self.torch.tensor(array, dtype=self.dtype)
