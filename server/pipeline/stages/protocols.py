"""The stages as Protocols: each has an implementation for the CPU, and mel and encoder may have one for the NPU.

``device`` is the device that really computes ("cpu", "npu"); it is copied into every answer, so it must be true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kernels.mel.audio import Float32
from kernels.mel.features import Features
from server.pipeline.stages.decoder import Decoded
from server.pipeline.stages.text import TokenWord
from server.pipeline.window import Window
from server.transcript import TokenScore, Word

Span = tuple[int, int]  # first sample and the one after the last, counted from the start of the recording
Times = tuple[float, float, float | None]  # start and end in seconds from the window's start, score in [0, 1]


class SpeechDetector(Protocol):
    """Finds speech in a stream; one object serves one recording. A span is at most 30 s, or 480,000 samples, long.

    A detector that takes every block of 10 s for speech::

        class Everything:
            device = "cpu"
            undecided = 0

            def feed(self, samples):
                start, self.undecided = self.undecided, self.undecided + len(samples)
                return [(start, self.undecided)]

            def flush(self):
                return []
    """

    device: str

    def feed(self, samples: Float32) -> list[Span]:
        """Take the next samples (float32 [n], 16 kHz); return the spans of speech that are final now, in order."""

    def flush(self) -> list[Span]:
        """End the recording; return the remaining spans."""

    @property
    def undecided(self) -> int:
        """The first sample that a later span may still contain; audio before it can be dropped."""


class Retired(Exception):
    """The device of mel or encoder has failed in the middle of a batch; the message is the reason, one clause.

    The caller repeats both stages of the batch: ``device`` names another device from now on.
    """


class Mel(Protocol):
    """Whisper's log-mel spectrogram. Raises Retired."""

    @property
    def device(self) -> str: ...

    def __call__(self, windows: Sequence[Float32], /) -> Features:
        """Windows of at most 480,000 samples -> float32 [B, n_mels, 3000], padded with silence."""


class Encoder(Protocol):
    """Whisper's encoder. Raises Retired."""

    @property
    def device(self) -> str: ...

    def __call__(self, features: Features, /) -> Float32:
        """float32 [B, n_mels, 3000] -> float32 [B, 1500, d_model], an array that the caller owns."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """The known words of a window, for an aligner. ``states`` is the encoder output, float32 [1500, d_model]."""

    window: Window
    states: Float32
    words: Sequence[TokenWord]


class Aligner(Protocol):
    """Finds the times of known words. ``method`` is the name of the aligner in the option ``align``."""

    device: str
    method: str

    def __call__(self, windows: Sequence[Spoken]) -> list[list[Times | None]]:
        """Return the times of each word of each window, None for a word that cannot be placed, such as a number."""


@dataclass(frozen=True, slots=True)
class WindowText:
    """The text of one window, with what the stages after the decoder have added so far.

    ``words`` are words with times, one for each of ``decoded.words``, or None; ``scores`` are the log probabilities of
    ``decoded.tokens``, one for each, or nothing.
    """

    window: Window
    decoded: Decoded
    words: tuple[Word, ...] | None = None
    scores: tuple[TokenScore, ...] = ()


class TextStage(Protocol):
    """A stage after the decoder: it adds something to the texts of decoded windows, or changes them.

    A stage that writes the words in capitals::

        class Capitals:
            name = "capitals"
            device = "cpu"

            def __call__(self, texts, states):
                return [replace(text, decoded=capitals(text.decoded)) for text in texts]

    The function ``decoding_plan`` makes the list of these stages for a request.
    """

    @property
    def name(self) -> str:
        """The name of the stage in the times of every answer and in the metrics."""

    @property
    def device(self) -> str: ...

    def __call__(self, texts: Sequence[WindowText], states: Sequence[Float32], /) -> list[WindowText]:
        """Return the texts as they are after this stage, one for each window, in order.

        ``states`` are the encoder outputs of the windows, float32 [1500, d_model] each.
        """
