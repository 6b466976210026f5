"""Whisper's encoder in plain numpy: slow, and short enough to be checked by reading."""

from __future__ import annotations

import math

import numpy as np

from kernels.encoder.weights import EncoderWeights, Linear, Norm
from kernels.mel.audio import Float32

_erf = np.vectorize(math.erf, otypes=[np.float32])


def encode(weights: EncoderWeights, mel: Float32) -> Float32:
    """Compute encoder states float32 [B, 1500, d_model] from mel features float32 [B, n_mels, 3000]."""
    return np.stack([_encode(weights, window) for window in mel])


def _encode(weights: EncoderWeights, mel: Float32) -> Float32:
    x = _gelu(_conv(mel, weights.conv1, 1))
    x = _gelu(_conv(x, weights.conv2, 2)).T + weights.positions
    for layer in weights.layers:
        q, k, v = np.split(_linear(_norm(x, layer.attention_norm), layer.qkv), 3, axis=1)
        x = x + _linear(_attend(q, k, v, weights.heads), layer.out)
        x = x + _linear(_gelu(_linear(_norm(x, layer.ffn_norm), layer.up)), layer.down)
    return _norm(x, weights.norm)


def _conv(x: Float32, conv: Linear, stride: int) -> Float32:
    padded = np.pad(x, ((0, 0), (1, 1)))
    columns = np.lib.stride_tricks.sliding_window_view(padded, 3, axis=1)[:, ::stride]
    result: Float32 = np.einsum("oik,itk->ot", conv.weight, columns, optimize=True) + conv.bias[:, None]
    return result


def _linear(x: Float32, linear: Linear) -> Float32:
    return x @ linear.weight.T + linear.bias


def _norm(x: Float32, norm: Norm) -> Float32:
    centred = x - x.mean(axis=1, keepdims=True)
    result: Float32 = centred / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5) * norm.gain + norm.bias
    return result


def _attend(q: Float32, k: Float32, v: Float32, heads: int) -> Float32:
    def split(x: Float32) -> Float32:
        return x.reshape(len(x), heads, -1).transpose(1, 0, 2)

    scores = split(q) @ split(k).transpose(0, 2, 1) / math.sqrt(q.shape[1] // heads)
    scores = np.exp(scores - scores.max(axis=2, keepdims=True))
    mixed: Float32 = scores / scores.sum(axis=2, keepdims=True) @ split(v)
    return mixed.transpose(1, 0, 2).reshape(q.shape)


def _gelu(x: Float32) -> Float32:
    result: Float32 = 0.5 * x * (1 + _erf(x / math.sqrt(2)))
    return result
