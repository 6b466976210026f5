"""The demo model's encoder as the kernels want it, and a window of real speech for it: real activations for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernels.encoder import weights
from server.pipeline.catalog import DEMO_DIR
from server.pipeline.ct2_weights import EncoderLayer, Linear, Norm, encoder_weights
from server.pipeline.decode import AudioStream
from server.pipeline.mel import CpuMel
from server.pipeline.types import WINDOW_SAMPLES

SAMPLE = DEMO_DIR / "sample.wav"


@cache
def demo_encoder() -> weights.Encoder:
    stored = encoder_weights(DEMO_DIR / "model.bin")
    return weights.Encoder(
        _linear(stored.conv1),
        _linear(stored.conv2),
        stored.positions,
        tuple(map(_layer, stored.layers)),
        _norm(stored.norm),
    )


def _layer(layer: EncoderLayer) -> weights.Layer:
    return weights.Layer(
        _norm(layer.attention_norm),
        _linear(layer.qkv),
        _linear(layer.out),
        _norm(layer.ffn_norm),
        _linear(layer.ffn_in),
        _linear(layer.ffn_out),
    )


def _linear(linear: Linear) -> weights.Linear:
    return weights.Linear(linear.weight.float32(), linear.bias)


def _norm(norm: Norm) -> weights.Norm:
    return weights.Norm(norm.gamma, norm.beta)


@cache
def window(path: Path = SAMPLE) -> NDArray[np.float32]:
    """The first 30 s of a recording as Whisper's features: float32 [80, 3000]."""
    samples = np.concatenate(list(AudioStream(path)))[:WINDOW_SAMPLES]
    features: NDArray[np.float32] = CpuMel(80)([samples])[0]
    return features
