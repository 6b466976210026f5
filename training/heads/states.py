"""The frozen encoder of a checkpoint, as it serves, and the cache of its states on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernels.mel.audio import HOP_LENGTH, Float32
from server.checkpoints.encoder_weights import encoder_weights
from server.pipeline.encoding.cpu_mel import CpuMel
from server.pipeline.encoding.openvino_encoder import OpenVinoEncoder

States = NDArray[np.float16]


class FrozenEncoder:
    """Mel and encoder of the checkpoint in ``directory``, on one thread."""

    def __init__(self, directory: Path) -> None:
        weights = encoder_weights(directory / "model.bin")
        self._mel = CpuMel(weights.n_mels)
        self._encoder = OpenVinoEncoder(weights, "float32", threads=1)

    def __call__(self, samples: Float32) -> States:
        """Return the states of the audio alone, float16 [T, d]. Raises ValueError for more than 30 s."""
        states = self._encoder(self._mel([samples]))[0]
        heard: States = states[: -(-len(samples) // (2 * HOP_LENGTH))].astype(np.float16)
        return heard

    def cached(self, path: Path, samples: Float32) -> States:
        """Return the states of ``samples``, which are kept in the file ``path``."""
        if not path.exists():
            partial = path.with_suffix(".part")
            with partial.open("wb") as file:
                np.save(file, self(samples))
            partial.replace(path)
        states: States = np.load(path)
        return states
