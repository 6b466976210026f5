"""The errors of the words that a system heard, against the known ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from bench.word_times.systems import HeardWord
from bench.word_times.truth import Known

TOLERANCE = 0.1  # seconds by which a word may reach into a pause: the faint end of a sound that was cut off


@dataclass(frozen=True, slots=True)
class TimeErrors:
    """Found minus known times of starts and ends, in seconds, and two counts of words.

    ``outside`` words reach further than TOLERANCE into a pause; ``heard`` are all words of the system.
    """

    starts: tuple[float, ...]
    ends: tuple[float, ...]
    outside: int
    heard: int

    @staticmethod
    def of(known: Known, heard: Sequence[HeardWord]) -> TimeErrors:
        """Compare the words of one recording. A known word that the system did not hear has no error."""
        starts, ends = [], []
        for word, found in zip(known.words, _matched(known, heard), strict=True):
            if found is not None and word.start is not None:
                starts.append(found.start - word.start)
            if found is not None and word.end is not None:
                ends.append(found.end - word.end)
        outside = sum(any(_overlap(word, pause) > TOLERANCE for pause in known.pauses) for word in heard)
        return TimeErrors(tuple(starts), tuple(ends), outside, len(heard))

    @staticmethod
    def total(errors: Sequence[TimeErrors]) -> TimeErrors:
        """Return the errors of several recordings as those of one."""
        return TimeErrors(
            tuple(error for item in errors for error in item.starts),
            tuple(error for item in errors for error in item.ends),
            sum(item.outside for item in errors),
            sum(item.heard for item in errors),
        )


def figures(errors: Sequence[float]) -> str:
    """Return median, 95th percentile and mean of the sizes of errors, and their median with its sign, in ms."""
    if not errors:
        return "none"
    found = np.array(errors) * 1000
    size = np.abs(found)
    return f"{np.median(size):.0f} / {np.percentile(size, 95):.0f} / {size.mean():.0f} / {np.median(found):+.0f}"


def _matched(known: Known, heard: Sequence[HeardWord]) -> list[HeardWord | None]:
    """Return for each known word the heard word of the same letters in the best common order; None where it is none."""
    said, found = [_letters(word.text) for word in known.words], [_letters(word.text) for word in heard]
    matched: list[HeardWord | None] = [None] * len(said)
    for block in SequenceMatcher(None, said, found, autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            matched[block.a + offset] = heard[block.b + offset]
    return matched


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _overlap(word: HeardWord, pause: tuple[float, float]) -> float:
    return min(word.end, pause[1]) - max(word.start, pause[0])
