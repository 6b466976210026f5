"""Every word has times, in order, inside the speech of its window; interpolated ones are marked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.pipeline.stages.protocols import Times
from server.pipeline.stages.text import TokenWord
from server.pipeline.window import Window
from server.pipeline.words import timed_words
from server.transcript import Word


def sound(*spans: tuple[float, float], seconds: float = 10.0, noise: float = 1e-3, gain: float = 0.2) -> Float32:
    """Return a background with bursts of louder noise, as loud as speech, in the given spans of seconds."""
    rng = np.random.default_rng(1)
    samples = noise * rng.standard_normal(int(seconds * SAMPLE_RATE))
    for start, end in spans:
        part = slice(int(start * SAMPLE_RATE), int(end * SAMPLE_RATE))
        samples[part] += gain * rng.standard_normal(part.stop - part.start)
    return samples.astype(np.float32)


def timed(texts: str, times: list[Times | None], window: Window) -> tuple[Word, ...]:
    return timed_words([TokenWord(f" {text}", ()) for text in texts.split()], times, window)


def spans(words: tuple[Word, ...]) -> list[tuple[float, float]]:
    return [(word.start, word.end) for word in words]


WINDOWS = [
    Window(0, 12.5, np.zeros(160_000, np.float32)),
    Window(0, 12.5, sound((0.3, 2.0), (7.0, 9.5)), ((12.6, 14.7), (19.3, 22.4))),
    Window(0, 12.5, sound((0.3, 2.0), (7.0, 9.5)), ((12.5, 22.5),)),
    Window(0, 0.0, sound((0.1, 0.3), seconds=0.4), ((0.0, 0.4),)),
]
moments = st.floats(-5, 40)
times = st.lists(st.one_of(st.none(), st.tuples(moments, moments, st.one_of(st.none(), st.floats(-1, 2)))), max_size=20)


@given(times, st.sampled_from(WINDOWS))
def test_whatever_the_aligner_says(found: list[Times | None], window: Window) -> None:
    words = [TokenWord(f" word{index}", (index,)) for index in range(len(found))]
    clock = window.start
    for word, given_times in zip(timed_words(words, found, window), found, strict=True):
        assert clock <= word.start < word.end <= window.end
        assert any(
            start <= word.start and word.end <= end for start, end in window.speech or [(window.start, window.end)]
        )
        assert word.interpolated is (given_times is None)
        assert word.score is None or 0 <= word.score <= 1
        clock = word.end


def test_words_without_times_share_the_gap_by_length() -> None:
    window = Window(0, 12.5, sound((0.0, 5.0)))
    words = timed("costs 12 3456 dollars", [(1.0, 1.7, 0.9), None, None, (3.2, 4.0, 0.8)], window)
    assert spans(words) == [(13.5, 14.2), (14.2, 14.7), (14.7, 15.7), (15.7, 16.5)]
    assert [word.interpolated for word in words] == [False, True, True, False]


def test_a_word_without_times_and_without_a_gap_takes_its_part_of_its_neighbours() -> None:
    words = timed("costs $5 today", [(1.0, 1.5, 0.9), None, (1.5, 2.2, 0.8)], Window(0, 0.0, sound((0.5, 3.0))))
    assert words[1].end - words[1].start == pytest.approx(0.2)
    assert (words[0].start, words[2].end) == (1.0, 2.2)


@pytest.mark.parametrize("speech", [((0.1, 2.2), (7.8, 9.7)), ((0.0, 10.0),)], ids=["detected", "not detected"])
def test_no_word_reaches_into_a_pause(speech: tuple[tuple[float, float], ...]) -> None:
    """Attention gives a word all the time until the next one: the first behind a pause, or the last before it."""
    window = Window(0, 0.0, sound((0.3, 2.0), (8.0, 9.5)), speech)
    late = spans(timed("so it ends here. After that", [(0.0, 0.7, 1), (0.7, 1.1, 1), (1.1, 1.4, 1), (1.4, 2.6, 1),
                                                       (2.6, 8.5, 1), (8.5, 10.0, 1)], window))  # fmt: skip
    early = spans(timed("so it ends here. After that", [(0.0, 0.7, 1), (0.7, 1.1, 1), (1.1, 1.4, 1), (1.4, 8.1, 1),
                                                        (8.1, 8.5, 1), (8.5, 10.0, 1)], window))  # fmt: skip
    for found in (late, early):
        assert found[0][0] == pytest.approx(0.3, abs=0.04)
        assert found[3] == pytest.approx((1.4, 2.0), abs=0.04)
        assert found[4][0] == pytest.approx(8.0, abs=0.11)
        assert found[5][1] == pytest.approx(9.5, abs=0.04)


def test_the_sound_beside_a_pause_belongs_to_the_word_there() -> None:
    window = Window(0, 0.0, sound((0.3, 2.0), (5.0, 6.0), (8.0, 9.5)))
    found = spans(timed("it ends here After", [(0.5, 0.9, 1), (0.9, 1.8, 1), (5.2, 5.8, 1), (8.9, 9.0, 1)], window))
    assert found[0][0] == pytest.approx(0.3, abs=0.03)
    assert found[1][1] == pytest.approx(2.0, abs=0.03)
    assert found[2] == pytest.approx((5.0, 6.0), abs=0.03)
    assert found[3] == (8.9, 9.0)  # too far from the pauses


def test_a_word_is_long_only_where_it_sounds_throughout() -> None:
    seconds: list[Times | None] = [(1.0, 5.0, 1)]
    drawn = timed("soooo", seconds, Window(0, 0.0, sound((0.5, 6.0))))
    unheard = timed("so", seconds, Window(0, 0.0, sound(noise=0.1)))
    closed = timed("so.", seconds, Window(0, 0.0, sound(noise=0.1)))
    assert spans(drawn) == [(1.0, 5.0)]
    assert spans(unheard)[0] == pytest.approx((4.51, 5.0))
    assert spans(closed)[0] == pytest.approx((1.0, 1.49))


def test_nothing_aligned_fills_the_speech() -> None:
    words = timed("1 2", [None, None], Window(0, 12.5, sound((2.0, 3.0)), ((12.5, 22.5),)))
    assert spans(words)[0] == pytest.approx((14.48, 15.0), abs=0.02)
    assert spans(words)[1] == pytest.approx((15.0, 15.52), abs=0.02)
