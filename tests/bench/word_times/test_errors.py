"""Errors of word times: a word is compared with itself, and one that reaches into a pause is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.word_times.errors import TimeErrors, figures
from bench.word_times.systems import HeardWord
from bench.word_times.truth import Known, KnownWord, joined

WORDS = (KnownWord("One", start=1.0), KnownWord("two,", end=2.0), KnownWord("three", start=4.0, end=4.5))
KNOWN = Known("a", "joined clips", "en", np.zeros(1, np.float32), WORDS, ((0.0, 1.0), (2.0, 4.0)))


def test_only_words_that_were_heard_have_errors() -> None:
    heard = [
        HeardWord("one", 1.1, 1.5),
        HeardWord("Two.", 1.5, 2.05),
        HeardWord("for", 3.0, 3.4),
        HeardWord("tree", 4.0, 4.5),
    ]
    errors = TimeErrors.of(KNOWN, heard)
    assert errors.starts == pytest.approx((0.1,))
    assert errors.ends == pytest.approx((0.05,))
    assert (errors.outside, errors.heard) == (1, 4)
    assert figures(errors.starts) == "100 / 100 / 100 / +100"


def test_joined_clips_are_the_same_each_time_and_silent_in_their_pauses(shared_audio: Path) -> None:
    first, again = (next(joined(shared_audio, "nl")) for _ in range(2))
    assert first.words == again.words
    assert np.array_equal(first.samples, again.samples)
    for start, end in first.pauses:
        assert np.abs(first.samples[int(start * 16_000) : int(end * 16_000)]).max() < 0.002
    assert sum(word.start is not None for word in first.words) == len(first.pauses) == 9
