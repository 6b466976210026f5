"""The exported model, run as a server runs it: int8 on the CPU, whole 30 s windows."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from kernels.mel.audio import HOP_LENGTH, SAMPLE_RATE
from server.pipeline.stages.ctc import CtcHead
from training.features import log_mel, scaled

Float32 = NDArray[np.float32]
WINDOW_SAMPLES = 30 * SAMPLE_RATE


class Served:
    """A model directory that transcribes with faster-whisper and encodes with CTranslate2.

    Raises FileNotFoundError if the directory has no CTC head.
    """

    def __init__(self, directory: Path, threads: int = 1) -> None:
        head = CtcHead.load(directory)
        if head is None:
            raise FileNotFoundError(f"{directory} has no CTC head: run python -m training.export first")
        self.head = head
        self._model = WhisperModel(str(directory), device="cpu", compute_type="int8", cpu_threads=threads)

    def transcribe(self, samples: Float32, beam_size: int = 5, timestamps: bool = False) -> str:
        """Return the text of a clip, at temperature 0 and without the fallbacks that would hide a failure."""
        segments, _ = self._model.transcribe(
            samples,
            language="en",
            beam_size=beam_size,
            temperature=0.0,
            without_timestamps=not timestamps,
            condition_on_previous_text=False,
            no_speech_threshold=None,
            log_prob_threshold=None,
            compression_ratio_threshold=None,
        )
        return " ".join(segment.text.strip() for segment in segments)

    def states(self, samples: Float32) -> Float32:
        """Return encoder states float32 [T, d] of the audio alone, which is encoded with padding up to 30 s.

        Raises ValueError for more than 30 s.
        """
        if len(samples) > WINDOW_SAMPLES:
            raise ValueError(f"a window holds 30 s, not {len(samples) / SAMPLE_RATE:.1f}")
        padded = np.pad(samples, (0, WINDOW_SAMPLES - len(samples)))
        mel = np.ascontiguousarray(scaled(log_mel(padded)).T[None])
        encoded = np.asarray(self._model.model.encode(ctranslate2.StorageView.from_array(mel), to_cpu=True))
        states: Float32 = encoded[0, : max(1, len(samples) // (2 * HOP_LENGTH))].astype(np.float32)
        return states
