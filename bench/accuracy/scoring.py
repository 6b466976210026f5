"""Word errors after Whisper's own normalisation, and their comparison between two systems by resampling clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import jiwer
import numpy as np

LETTERS = ("zh", "ja", "ko")  # languages of which letters are counted instead of words
RESAMPLED = 10_000


@dataclass(frozen=True, slots=True)
class Errors:
    """The wrong, missing and added words of one clip or of many, and the number of words that were said."""

    wrong: int
    words: int

    def __add__(self, other: Errors) -> Errors:
        return Errors(self.wrong + other.wrong, self.words + other.words)

    @property
    def rate(self) -> float:
        """The word error rate in per cent."""
        return 100 * self.wrong / self.words


def word_errors(said: str, heard: str, language: str) -> Errors:
    """Count the errors of one clip: words in Whisper's normal form, letters for zh, ja and ko.

    The English form spells out no variants: British and American spellings of a word count as different words.
    """
    normalise = normaliser(language)
    truth, text = normalise(said), normalise(heard)
    counts = jiwer.process_words(truth, text)
    return Errors(counts.substitutions + counts.deletions + counts.insertions, len(truth.split()))


@cache
def normaliser(language: str) -> Callable[[str], str]:
    """Return Whisper's normaliser for a language: the English one, or the one for all others."""
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

    if language == "en":
        normalise: Callable[[str], str] = EnglishTextNormalizer({})
        return normalise
    return BasicTextNormalizer(split_letters=language in LETTERS)  # type: ignore[no-any-return]


def total(errors: Sequence[Errors]) -> Errors:
    """Return the sum over clips."""
    return sum(errors, Errors(0, 0))


def difference(mine: Sequence[Errors], other: Sequence[Errors], seed: int = 0) -> tuple[float, float, float]:
    """Return how much higher the error rate of ``mine`` is than that of ``other``, in points, and its 95 % interval.

    Both are errors on the same clips in the same order. The interval is that of a paired bootstrap: clips are drawn
    with replacement, each with the errors of both systems (Bisani and Ney 2004).
    """
    words = np.array([errors.words for errors in mine])
    more = np.array([errors.wrong for errors in mine]) - np.array([errors.wrong for errors in other])
    drawn = np.random.default_rng(seed).integers(len(words), size=(RESAMPLED, len(words)))
    rates = 100 * more[drawn].sum(axis=1) / words[drawn].sum(axis=1)
    low, high = np.percentile(rates, (2.5, 97.5))
    return 100 * float(more.sum()) / float(words.sum()), float(low), float(high)
