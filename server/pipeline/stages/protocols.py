"""Protocols of the stages: each has an implementation for the CPU, and mel and encoder may have one for the NPU.

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
    """A finder of speech in audio that arrives in blocks; one object serves one recording.

    A span of speech is at most 30 s, or 480,000 samples, long. A detector that takes every block of 10 s for speech::

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
        """Process the next samples (float32 [n], 16 kHz); return the spans of speech that are final now, in order."""

    def flush(self) -> list[Span]:
        """Process the end of the recording; return the remaining spans of speech."""

    @property
    def undecided(self) -> int:
        """The number of the first sample that a later span may still contain; audio before it can be dropped."""


class Retired(Exception):
    """The device of mel or encoder has failed in the middle of a batch; the message is the reason, one clause.

    The caller must run both stages of the batch again: ``device`` of the stage now names another device.
    """


class Mel(Protocol):
    """The stage that computes Whisper's log-mel features. A call raises Retired if its device fails."""

    @property
    def device(self) -> str: ...

    def __call__(self, windows: Sequence[Float32], /) -> Features:
        """Compute features, float32 [B, n_mels, 3000], of windows of at most 480,000 samples, padded to 30 s."""


class Encoder(Protocol):
    """The stage that runs Whisper's encoder. A call raises Retired if its device fails."""

    @property
    def device(self) -> str: ...

    def __call__(self, features: Features, /) -> Float32:
        """Encode features, float32 [B, n_mels, 2 F], to float32 [B, F, d_model]; the caller owns the result.

        F is 1500 on the NPU, and at most 1500 on the CPU.
        """


@dataclass(frozen=True, slots=True)
class Spoken:
    """A window with its known words, the input of an aligner.

    ``states`` is the encoder's output, float32 [F, d_model]; at least the frames of the window's audio.
    """

    window: Window
    states: Float32
    words: Sequence[TokenWord]


class Aligner(Protocol):
    """A stage that finds the times of known words in the audio.

    ``method`` is the name of the aligner in the request's option ``align``.
    """

    device: str
    method: str

    def __call__(self, windows: Sequence[Spoken]) -> list[list[Times | None]]:
        """Return, for each window, the times of its words; None for a word that cannot be placed."""


@dataclass(frozen=True, slots=True)
class WindowText:
    """The text of one window, with the data that the stages after the decoder have added so far.

    ``language`` is that in which the window was decoded. ``words`` are words with times, one for each of
    ``decoded.words``, None before alignment; ``scores`` are the log probabilities of ``decoded.tokens``, one for each,
    empty before they are computed. ``lost`` are the stretches, in seconds of the recording, of speech without text.
    """

    window: Window
    decoded: Decoded
    words: tuple[Word, ...] | None = None
    scores: tuple[TokenScore, ...] = ()
    language: str = ""
    lost: tuple[tuple[float, float], ...] = ()


class TextStage(Protocol):
    """A stage after the decoder, which adds data to the texts of decoded windows or changes them.

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
        """Return the texts of windows with this stage's additions or changes, one for each window, in order.

        ``states`` are the encoder outputs of the windows, float32 [F, d_model] each.
        """
