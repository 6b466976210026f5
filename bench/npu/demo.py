"""The demo model's encoder in the form that the kernels take, and a window of speech: real activations."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernels.encoder.weights import EncoderWeights
from kernels.mel.audio import WINDOW_SAMPLES
from server.checkpoints.catalog import DEMO_DIR
from server.checkpoints.encoder_weights import encoder_weights
from server.pipeline.encoding.cpu_mel import CpuMel
from server.pipeline.stages.decode import AudioStream

SAMPLE = DEMO_DIR / "sample.wav"


@cache
def demo_encoder() -> EncoderWeights:
    """Return the demo model's encoder."""
    return encoder_weights(DEMO_DIR / "model.bin")


@cache
def window(path: Path = SAMPLE) -> NDArray[np.float32]:
    """Return the first 30 s of a recording as Whisper's features: float32 [80, 3000]."""
    samples = np.concatenate(list(AudioStream(path)))[:WINDOW_SAMPLES]
    features: NDArray[np.float32] = CpuMel(80)([samples])[0]
    return features
