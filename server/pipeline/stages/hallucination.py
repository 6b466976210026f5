"""The guard against hallucination: windows to decode again, windows that are silence, and repetitions to cut.

Thresholds and their meaning are those of openai/whisper's transcribe.py (decode_with_fallback). The cut of repeated
phrases is an addition, for repetitions that occur at every temperature.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Literal

from server.settings.stages import DecodeSettings

LONGEST_PHRASE = 10  # words

Failure = Literal["log_prob", "compression_ratio", "repeats"]
"""The threshold that a decoded window fails; the metric of fallbacks has it as a label."""


def compression_ratio(text: str) -> float:
    """Return the bytes of the text over its bytes after zlib; above 2.4 the text repeats itself. 0.0 for no text."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def is_silence(no_speech_prob: float, avg_logprob: float, settings: DecodeSettings) -> bool:
    """Tell whether the model itself doubts that anything was said; such a window has no text."""
    if settings.no_speech_threshold is None or no_speech_prob <= settings.no_speech_threshold:
        return False
    return settings.log_prob_threshold is None or avg_logprob < settings.log_prob_threshold


def is_repetitive(text: str, settings: DecodeSettings) -> bool:
    """Tell whether the text repeats itself."""
    return why_repetitive(text, settings) is not None


def why_failed(text: str, avg_logprob: float, settings: DecodeSettings) -> Failure | None:
    """Return the threshold that the text fails, None if it will do."""
    if settings.log_prob_threshold is not None and avg_logprob < settings.log_prob_threshold:
        return "log_prob"
    return why_repetitive(text, settings)


def why_repetitive(text: str, settings: DecodeSettings) -> Failure | None:
    """Return the threshold by which the text repeats itself, None if it does not."""
    limit = settings.compression_ratio_threshold
    if limit is not None and compression_ratio(text) > limit:
        return "compression_ratio"
    words = text.split()
    return "repeats" if len(kept_words(words, settings.max_repeats)) < len(words) else None


def kept_words(words: Sequence[str], max_repeats: int) -> list[int]:
    """Return the indices of the words to keep.

    No phrase of up to 10 words is left that occurs more than ``max_repeats`` times in a row.
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
