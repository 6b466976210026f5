"""Whisper's encoder on the CPU by CTranslate2."""

from __future__ import annotations

import numpy as np

from kernels.mel.audio import Float32
from kernels.mel.features import Features
from server.pipeline.stages.whisper import Checkpoint, storage


class Ct2Encoder:
    """The encoder stage by CTranslate2: features float32 [B, n_mels, 2 F] give states float32 [B, F, d_model].

    The arithmetic is the one in which CTranslate2 has loaded the checkpoint, by default int8.
    """

    device = "cpu"

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint

    def __call__(self, features: Features) -> Float32:
        states: Float32 = np.array(self.checkpoint.whisper.encode(storage(np.asarray(features)), to_cpu=True))
        return states
