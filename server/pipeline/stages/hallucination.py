"""Checks of decoded text for hallucinations: windows to decode again, silent windows, and repetitions to cut.

Thresholds and their meaning are those of openai/whisper's transcribe.py (decode_with_fallback). The cut of repeated
phrases is an addition, for repetitions that occur at every temperature.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Literal

from server.settings.stages import DecodeSettings

LONGEST_PHRASE = 10  # words
SHORTEST_ECHO = 3  # words

Failure = Literal["log_prob", "compression_ratio", "repeats", "prompt_echo", "no_speech"]
"""The name of the check that a decoded window failed; also the label of the metric of fallbacks."""


def compression_ratio(text: str) -> float:
    """Return the text's size in bytes divided by its size after zlib; 0.0 for no text.

    openai/whisper takes a text above 2.4 for repetitive.
    """
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def is_silence(no_speech_prob: float, avg_logprob: float, settings: DecodeSettings) -> bool:
    """Return True if a window counts as silence by openai/whisper's thresholds, so that its text is dropped."""
    if settings.no_speech_threshold is None or no_speech_prob <= settings.no_speech_threshold:
        return False
    return settings.log_prob_threshold is None or avg_logprob < settings.log_prob_threshold


def is_repetitive(text: str, settings: DecodeSettings) -> bool:
    """Return True if the text repeats itself too much, by the compression ratio or by phrases in a row."""
    return why_repetitive(text, settings) is not None


def why_failed(text: str, avg_logprob: float, settings: DecodeSettings) -> Failure | None:
    """Return the name of the first check that a window's text fails, so that it should be decoded again, or None."""
    if settings.log_prob_threshold is not None and avg_logprob < settings.log_prob_threshold:
        return "log_prob"
    return why_repetitive(text, settings)


def why_repetitive(text: str, settings: DecodeSettings) -> Failure | None:
    """Return the name of the check by which the text repeats itself too much, None if it does not."""
    limit = settings.compression_ratio_threshold
    if limit is not None and compression_ratio(text) > limit:
        return "compression_ratio"
    words = text.split()
    return "repeats" if len(kept_words(words, settings.max_repeats)) < len(words) else None


def says_twice(text: str) -> bool:
    """Return True if a phrase of three words or more occurs twice in a row, of whatever length."""
    words = [word.strip(" .,;:!?").lower() for word in text.split()]
    return any(
        words[begin : begin + length] == words[begin + length : begin + 2 * length]
        for length in range(SHORTEST_ECHO, len(words) // 2 + 1)
        for begin in range(len(words) - 2 * length + 1)
    )


def kept_words(words: Sequence[str], max_repeats: int) -> list[int]:
    """Return the indices of the words that remain after repeated phrases are cut.

    In the result no phrase of up to 10 words occurs more than ``max_repeats`` times in a row.
    """
    plain = [word.strip(" .,;:!?").lower() for word in words]
    keep: list[int] = []
    fewer = list(range(len(words)))
    while fewer != keep:  # a cut may bring equal words together
        keep = fewer
        for length in range(1, LONGEST_PHRASE + 1):
            fewer = _without_loops(fewer, plain, length, max_repeats)
    return keep


def _without_loops(keep: list[int], words: Sequence[str], length: int, max_repeats: int) -> list[int]:
    kept: list[int] = []
    run = 0  # how many words in a row equal the one a phrase earlier
    for position, index in enumerate(keep):
        same = position >= length and words[index] == words[keep[position - length]]
        run = run + 1 if same else 0
        if run <= (max_repeats - 1) * length:
            kept.append(index)
    return kept
