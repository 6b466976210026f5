"""Every word has times, in order, inside its window; interpolated ones are marked."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.pipeline.stages.protocols import Times
from server.pipeline.stages.text import TokenWord
from server.pipeline.window import Window
from server.pipeline.words import timed_words

WINDOW = Window(0, 12.5, np.zeros(160_000, np.float32))
moments = st.floats(-5, 40)
times = st.lists(st.one_of(st.none(), st.tuples(moments, moments, st.one_of(st.none(), st.floats(-1, 2)))), max_size=20)


@given(times)
def test_whatever_the_aligner_says(found: list[Times | None]) -> None:
    words = [TokenWord(f" word{index}", (index,)) for index in range(len(found))]
    timed = timed_words(words, found, WINDOW)
    clock = WINDOW.start
    for word, given_times in zip(timed, found, strict=True):
        assert clock <= word.start <= word.end <= WINDOW.end
        assert word.interpolated is (given_times is None)
        assert word.score is None or 0 <= word.score <= 1
        clock = word.end


def test_words_without_times_share_the_gap_by_length() -> None:
    words = [TokenWord(text, ()) for text in (" costs", " 12", " 3456", " dollars")]
    timed = timed_words(words, [(1.0, 2.0, 0.9), None, None, (5.0, 6.0, 0.8)], WINDOW)
    assert [(w.text, w.start, w.end, w.interpolated) for w in timed] == [
        ("costs", 13.5, 14.5, False),
        ("12", 14.5, 15.5, True),
        ("3456", 15.5, 17.5, True),
        ("dollars", 17.5, 18.5, False),
    ]


def test_nothing_aligned_fills_the_window() -> None:
    timed = timed_words([TokenWord(" 1", ()), TokenWord(" 2", ())], [None, None], WINDOW)
    assert [(w.start, w.end) for w in timed] == [(12.5, 17.5), (17.5, 22.5)]
