"""The decoder: it turns encoder states into text by CTranslate2, at the temperatures of Whisper's fallback.

Windows are decoded without timestamp tokens, as in WhisperX: the bounds of a window come from voice activity detection
and the times inside from alignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from faster_whisper.tokenizer import Tokenizer

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
from server.pipeline.stages.text import TokenWord, split_words
from server.pipeline.stages.whisper import Checkpoint, storage
from server.settings.stages import DecodeSettings

CONTEXT = 448  # tokens of Whisper's decoder, prompt included
PROMPT = CONTEXT // 2 - 1  # tokens that hotwords and prompt may take together


@dataclass(frozen=True, slots=True)
class Search:
    """The parameters with which all windows of a request are decoded.

    ``prompt`` are the tokens from <|startofprev|> to <|notimestamps|>; ``beam_size`` applies at temperature 0.
    ``temperatures`` are tried in order.
    """

    tokenizer: Tokenizer
    prompt: tuple[int, ...]
    beam_size: int
    temperatures: tuple[float, ...]

    @property
    def context(self) -> tuple[str, ...]:
        """The words of the prompt and the hotwords that the decoder is given; empty without them."""
        return tuple(word.text for word in split_words(self.tokenizer, self.prompt[: -self._start]))

    def without_context(self) -> Search:
        """Return the same search without prompt and hotwords."""
        return replace(self, prompt=self.prompt[-self._start :])

    @property
    def _start(self) -> int:
        """The number of tokens from <|startoftranscript|> to <|notimestamps|>."""
        return len(self.tokenizer.sot_sequence) + 1

    def batch_key(self, temperature: float) -> tuple[int, int, float]:
        """Return a key that is equal for windows that can share a batch at ``temperature``.

        CTranslate2 needs prompts of one length and one beam size in a batch.
        """
        return len(self.prompt), self.beam_size if temperature == 0.0 else 1, temperature


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


def prompt_tokens(tokenizer: Tokenizer, prompt: str | None, hotwords: str | None) -> tuple[int, ...]:
    """Return the tokens that the decoder starts from: the context, if there is any, and Whisper's start tokens.

    The context is ``hotwords`` and then the end of ``prompt``, in the place of Whisper's previous text, 223 tokens at
    most.
    """
    before = _text_tokens(tokenizer, hotwords)[:PROMPT]
    if len(before) < PROMPT:
        before += _text_tokens(tokenizer, prompt)[-(PROMPT - len(before)) :]
    head = [tokenizer.sot_prev, *before] if before else []
    return (*head, *tokenizer.sot_sequence, tokenizer.no_timestamps)


def _text_tokens(tokenizer: Tokenizer, text: str | None) -> list[int]:
    """Return the tokens of a text without those that Whisper gives a meaning, such as <|startoftranscript|>."""
    stripped = (text or "").strip()
    return [token for token in tokenizer.encode(" " + stripped) if token < tokenizer.eot] if stripped else []


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
        return self.search.temperatures[tried]

    @property
    def latest(self) -> Decoded:
        """The result of the last attempt; there must have been one."""
        latest = self._tried[-1] if self._tried else self._prompted
        assert latest is not None, "a window is decoded before its result is used"  # noqa: S101
        return latest

    @property
    def may_loop(self) -> bool:
        """True if the last attempt's text repeats itself, as that of a window which was encoded short may do."""
        text = self.latest.text
        return is_repetitive(text, self._settings) or says_twice(text)

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
        return [self._decoded(result, search.tokenizer, temperature) for result, search in pairs]

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
        if temperature == 0.0:
            return {"beam_size": search.beam_size, "patience": self.settings.patience}
        return {
            "beam_size": 1,
            "num_hypotheses": self.settings.best_of,
            "sampling_topk": 0,
            "sampling_temperature": temperature,
        }

    def _max_length(self, prompt: int) -> int:
        """Return the ``max_length`` for CTranslate2 that allows the configured number of new tokens.

        ``prompt`` is the prompt's length in tokens. CTranslate2 stops after min(max_length / 2, max_length - prompt)
        new tokens.
        """
        limit = self.settings.max_new_tokens
        return CONTEXT if limit is None else min(CONTEXT, max(2 * limit, limit + prompt))

    def _decoded(self, result: Any, tokenizer: Tokenizer, temperature: float) -> Decoded:
        tokens = result.sequences_ids[0][: self.settings.max_new_tokens]
        words = tuple(split_words(tokenizer, tokens))
        # scores are sum(log p) / length ** penalty over the tokens without the end token, which was scored as well
        total = result.scores[0] * len(result.sequences_ids[0]) ** self.settings.length_penalty
        text = "".join(word.text for word in words)
        return Decoded(
            words=words,
            avg_logprob=total / (len(result.sequences_ids[0]) + 1),
            no_speech_prob=float(result.no_speech_prob),
            compression_ratio=compression_ratio(text.strip()),
            temperature=temperature,
        )
