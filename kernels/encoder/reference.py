"""The reference of the encoder overlay: Whisper's encoder in float64, op by op.

The functions follow openai/whisper model.py (AudioEncoder, ResidualAttentionBlock): GELU by the error function, an
epsilon of 1e-5 in layer norms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from kernels.encoder.plan import EPSILON
from kernels.encoder.shapes import HEAD
from kernels.encoder.weights import EncoderLayer, EncoderWeights, Linear, Norm, by_tap

Float64 = NDArray[np.float64]


def encode(encoder: EncoderWeights, mel: NDArray[np.float32]) -> Float64:
    """Run the encoder on a window's mel, float32 [n_mels, 2 * frames], and return its result, float64 [frames, d]."""
    x = embed(encoder, mel)
    for layer in encoder.layers:
        x = run_layer(layer, x)
    return normalise(x, encoder.norm)


def embed(encoder: EncoderWeights, mel: NDArray[np.float32]) -> Float64:
    """Return the first layer's input, float64 [frames, d]: both convolutions with their GELUs, plus the positions."""
    first = gelu(convolve(encoder.conv1, mel.T.astype(np.float64), 1))
    return gelu(convolve(encoder.conv2, first, 2)) + encoder.positions


def run_layer(layer: EncoderLayer, x: Float64) -> Float64:
    """Run one residual block, attention and then the feed-forward half, on x [frames, d] and return [frames, d]."""
    x = x + apply(layer.out, attend(apply(layer.qkv, normalise(x, layer.attention_norm))))
    return x + apply(layer.down, gelu(apply(layer.up, normalise(x, layer.ffn_norm))))


def convolve(conv: Linear, x: Float64, stride: int) -> Float64:
    """Return a convolution of three taps over rows, with zeros at both ends: x [rows, in] to [rows / stride, out]."""
    padded = np.pad(x, ((1, 1), (0, 0)))
    taps = np.hstack([padded[i : len(x) + i : stride] for i in range(3)])
    return taps @ by_tap(conv).T.astype(np.float64) + conv.bias


def attend(qkv: Float64) -> Float64:
    """Return the softmax attention of all heads: [rows, d], for queries, keys and values side by side, [rows, 3 d]."""
    query, key, value = (part.reshape(len(qkv), -1, HEAD).transpose(1, 0, 2) for part in np.split(qkv, 3, axis=1))
    scores = query @ key.transpose(0, 2, 1) * HEAD**-0.5
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    context: Float64 = weights / weights.sum(axis=-1, keepdims=True) @ value
    return context.transpose(1, 0, 2).reshape(len(qkv), -1)


def apply(linear: Linear, x: Float64) -> Float64:
    """Apply an affine map to every row, x @ weight.T + bias: x [rows, in] to [rows, out]."""
    return x @ linear.weight.T.astype(np.float64) + linear.bias


def normalise(x: Float64, norm: Norm) -> Float64:
    """Return the layer norm of every row, with gain and bias: [rows, d], as x is."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled: Float64 = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
    return scaled * norm.gain + norm.bias


def gelu(x: Float64) -> Float64:
    """Return GELU of every element, by the error function."""
    result: Float64 = 0.5 * x * (1 + erf(x / np.sqrt(2)))
    return result
