"""The decoder: it turns encoder states into text by CTranslate2, at the temperatures of Whisper's fallback.

Nothing here is left to chance, so that a recording has one text. CTranslate2's sampling cannot be repeated: each of its
threads has one generator, seeded when the thread first samples (src/random.cc@0d8bcd3), which all windows share.

Windows are decoded without timestamp tokens, as in WhisperX: the bounds of a window come from voice activity detection
and the times inside from alignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np

from kernels.mel.audio import Float32
from server.pipeline.stages.coverage import Spans, is_crowded
from server.pipeline.stages.hallucination import (
    Failure,
    compression_ratio,
    is_repetitive,
    is_silence,
    kept_words,
    says_twice,
    why_failed,
)
from server.pipeline.stages.prompt_echo import echoed, was_said
from server.pipeline.stages.search import CONTEXT, Search, prompt_tokens
from server.pipeline.stages.text import TokenWord, split_words
from server.pipeline.stages.whisper import Checkpoint, storage
from server.settings.stages import DecodeSettings

PENALTY = (
    0.25  # repetition penalty at temperature 1, above 1; on loops 1.05 to 1.25 did as well as sampling at 0.2 to 1
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of one window, decoded at one temperature, with its scores; silence has no words."""

    words: tuple[TokenWord, ...]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words)

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(token for word in self.words for token in word.tokens)


DOUBT = -0.5  # average log probability: below it, one clip of 0.4 s and two of 3 s were right with full windows only


class Attempts:
    """The results of decoding one window at one temperature after the other, until a result passes the checks.

    This is openai/whisper's decode_with_fallback, taken apart so that windows can be decoded in batches. A prompt is
    used for the first attempt only. If that one fails a check, may be an echo of the prompt, or is silent where
    ``speech`` was found (the window's spans, empty if they are not known), it is put aside, and all temperatures follow
    without the prompt. Repetitions for which there is time in ``speech`` are kept.
    """

    def __init__(self, search: Search, settings: DecodeSettings, speech: Spans = ()) -> None:
        self.search = search
        self._settings = settings
        self._speech = speech
        self._tried: list[Decoded] = []
        self._context = search.context
        self._prompted: Decoded | None = None

    @property
    def temperature(self) -> float | None:
        """The temperature to try next; None if the window needs no further attempt, or none is left."""
        tried = len(self._tried)
        if tried == len(self.search.temperatures) or (tried and self._failure(self._tried[-1]) is None):
            return None
        if tried > 1 and self._tried[-1].words == self._tried[-2].words:
            return None  # a text without repetitions stays as it is however warm
        return self.search.temperatures[tried]

    @property
    def latest(self) -> Decoded:
        """The result of the last attempt; there must have been one."""
        latest = self._tried[-1] if self._tried else self._prompted
        assert latest is not None, "a window is decoded before its result is used"  # noqa: S101
        return latest

    @property
    def doubtful(self) -> bool:
        """True if the last attempt's text repeats itself or is unlikely, as that of a window encoded short may be."""
        text = self.latest.text
        return self.latest.avg_logprob < DOUBT or is_repetitive(text, self._settings) or says_twice(text)

    def add(self, attempt: Decoded) -> Failure | None:
        """Store the result at the next temperature.

        Return the check that it failed if another attempt follows, else None.
        """
        reason = self._objection(attempt) if self._context and self._prompted is None else None
        if reason is not None:
            self.search, self._prompted = self.search.without_context(), attempt
            return reason
        self._tried.append(attempt)
        return None if self.temperature is None else self._failure(attempt)

    def result(self) -> Decoded:
        """Return the result to use, without words if the window is silent, and with repeated phrases cut.

        A text that may be an echo of the prompt is used if about the same words are heard without the prompt.
        """
        best, first = self._best(), self._prompted
        if first is None or self._objection(first) != "prompt_echo":
            return best
        words = [word.text for word in first.words]
        said = was_said(words, echoed(words, self._context), [word.text for word in best.words])
        return first if said else best

    def _best(self) -> Decoded:
        """Return the last result, without words if the window is silent, and with repeated phrases cut.

        If all attempts failed, the likeliest one without repetition is used, else the likeliest.
        """
        last = self._tried[-1]
        if self._failure(last):  # none will do: take the likeliest without repetition, else the likeliest
            sane = [attempt for attempt in self._tried if not self._loops(attempt)]
            last = max(sane or self._tried, key=lambda attempt: attempt.avg_logprob)
        if is_silence(last.no_speech_prob, last.avg_logprob, self._settings):
            return replace(last, words=())
        if not self._loops(last):
            return last
        keep = kept_words([word.text for word in last.words], self._settings.max_repeats)
        return replace(last, words=tuple(last.words[index] for index in keep))

    def _objection(self, attempt: Decoded) -> Failure | None:
        """Return the reason for which an attempt with the prompt must be repeated without it, None if it stands."""
        if is_silence(attempt.no_speech_prob, attempt.avg_logprob, self._settings):
            return "no_speech" if self._speech else None
        echo = bool(echoed([word.text for word in attempt.words], self._context))
        return self._failure(attempt) or ("prompt_echo" if echo else None)

    def _loops(self, attempt: Decoded) -> bool:
        """Return True if the text repeats itself too much, and more than could be said in the time."""
        plausible = bool(self._speech) and not is_crowded(self._speech, attempt.text)
        return not plausible and is_repetitive(attempt.text, self._settings)

    def _failure(self, attempt: Decoded) -> Failure | None:
        if is_silence(attempt.no_speech_prob, attempt.avg_logprob, self._settings):
            return None
        return why_failed(attempt.text, attempt.avg_logprob, self._settings)


class Ct2Decoder:
    """A decoder of batches of encoder states, on the CTranslate2 model of a checkpoint."""

    device = "cpu"

    def __init__(self, checkpoint: Checkpoint, settings: DecodeSettings) -> None:
        self.checkpoint = checkpoint
        self.settings = settings

    def generate(self, states: Float32, searches: Sequence[Search], temperature: float) -> list[Decoded]:
        """Decode encoder states, float32 [B, F, d_model], at one temperature; return a result for each window.

        ``searches`` are the windows' parameters, whose ``batch_key`` must be equal at this temperature; the windows may
        belong to several requests.
        """
        first = searches[0]
        results = self.checkpoint.whisper.generate(
            storage(states),
            [list(search.prompt) for search in searches],
            max_length=self._max_length(len(first.prompt)),
            length_penalty=self.settings.length_penalty,
            return_scores=True,
            return_no_speech_prob=True,
            **self._strategy(first, temperature),
        )
        pairs = zip(results, searches, strict=True)
        return [self._decoded(result, search, temperature) for result, search in pairs]

    def rehearse(self, states: Float32, tokens: int) -> None:
        """Decode about ``tokens`` tokens for every window and drop them, so that callers can time such a batch."""
        tokenizer = self.checkpoint.tokenizer("en", "transcribe")
        prompt = prompt_tokens(tokenizer, None, None)
        self.checkpoint.whisper.generate(
            storage(states),
            [list(prompt)] * len(states),
            beam_size=self.settings.beam_size,
            max_length=2 * tokens,
            suppress_tokens=[-1, tokenizer.eot],
        )

    def _strategy(self, search: Search, temperature: float) -> dict[str, Any]:
        patience = self.settings.patience
        if search.draws(temperature):
            best_of = self.settings.best_of
            return {"beam_size": best_of, "num_hypotheses": best_of, "patience": max(1.0, patience)}
        penalty = 1.0 + PENALTY * temperature
        return {"beam_size": search.beam_size, "patience": patience, "repetition_penalty": penalty}

    def _max_length(self, prompt: int) -> int:
        """Return the ``max_length`` for CTranslate2 that allows the configured number of new tokens.

        ``prompt`` is the prompt's length in tokens. CTranslate2 stops after min(max_length / 2, max_length - prompt)
        new tokens.
        """
        limit = self.settings.max_new_tokens
        return CONTEXT if limit is None else min(CONTEXT, max(2 * limit, limit + prompt))

    def _decoded(self, result: Any, search: Search, temperature: float) -> Decoded:
        # scores are sum(log p) / length ** penalty over the tokens without the end token, which was scored as well
        totals = [
            score * len(tokens) ** self.settings.length_penalty
            for score, tokens in zip(result.scores, result.sequences_ids, strict=True)
        ]
        index = drawn(result.sequences_ids, totals, temperature) if search.draws(temperature) else 0
        tokens = result.sequences_ids[index]
        words = tuple(split_words(search.tokenizer, tokens[: self.settings.max_new_tokens]))
        text = "".join(word.text for word in words)
        return Decoded(
            words=words,
            avg_logprob=totals[index] / (len(tokens) + 1),
            no_speech_prob=float(result.no_speech_prob),
            compression_ratio=compression_ratio(text.strip()),
            temperature=temperature,
        )


def drawn(texts: Sequence[Sequence[int]], logprobs: Sequence[float], temperature: float) -> int:
    """Return the index of one of ``texts``, drawn with the probabilities exp(logprob / temperature).

    The same token ids and log probabilities always give the same index: a checksum of all tokens is the random number.
    """
    chances = np.exp((np.asarray(logprobs) - max(logprobs)) / temperature)
    checksum = crc32(np.concatenate([np.asarray(tokens, np.int64) for tokens in texts]).tobytes())
    index = np.searchsorted(np.cumsum(chances / chances.sum()), checksum / 2**32, side="right")
    return min(int(index), len(texts) - 1)
