"""The stages after the decoder: each adds data, such as word times, to the text of decoded windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kernels.mel.audio import Float32
from server.pipeline.stages.align import AttentionAligner
from server.pipeline.stages.protocols import Aligner, Spoken, WindowText
from server.pipeline.words import timed_words


class Alignment:
    """A stage that adds word times to decoded windows, found by any Aligner."""

    name = "align"

    def __init__(self, aligner: Aligner) -> None:
        self._aligner = aligner

    @property
    def device(self) -> str:
        return self._aligner.device

    @property
    def method(self) -> str:
        """The aligner that finds the times, as the request's option ``align`` names it."""
        return self._aligner.method

    def __call__(self, texts: Sequence[WindowText], states: Sequence[Float32]) -> list[WindowText]:
        found = self._aligner(_spoken(texts, states))
        return [
            replace(text, words=timed_words(text.decoded.words, times, text.window))
            for text, times in zip(texts, found, strict=True)
        ]


class TokenProbabilities:
    """A stage that adds the log probability of every decoded token, from a further decoder pass over the tokens."""

    name = "logprobs"

    def __init__(self, attention: AttentionAligner) -> None:
        self._attention = attention

    @property
    def device(self) -> str:
        return self._attention.device

    def __call__(self, texts: Sequence[WindowText], states: Sequence[Float32]) -> list[WindowText]:
        found = self._attention.token_scores(_spoken(texts, states))
        return [replace(text, scores=scores) for text, scores in zip(texts, found, strict=True)]


def _spoken(texts: Sequence[WindowText], states: Sequence[Float32]) -> list[Spoken]:
    return [Spoken(text.window, row, text.decoded.words) for text, row in zip(texts, states, strict=True)]
