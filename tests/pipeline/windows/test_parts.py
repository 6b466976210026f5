"""The pieces and halves of a window."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.mel.audio import SAMPLE_RATE
from server.pipeline.stages.coverage import seconds
from server.pipeline.window import Window
from server.pipeline.windows.parts import best_cut, halves, pieces

START = 100.0


def window(*speech: tuple[float, float], quiet: float | None = None) -> Window:
    """Return a window of noise with these spans of speech; ``quiet`` is the middle of 40 ms of silence."""
    samples = np.random.default_rng(0).normal(size=round((speech[-1][1] - START) * SAMPLE_RATE)).astype(np.float32)
    if quiet is not None:
        samples[round((quiet - START - 0.02) * SAMPLE_RATE) : round((quiet - START + 0.02) * SAMPLE_RATE)] = 0.0
    return Window(3, START, samples, speech)


def test_short_spans_join_their_nearest_neighbour() -> None:
    spans = window((100.0, 103.0), (103.3, 103.9), (105.0, 108.0), (108.4, 109.0))
    assert pieces(spans) == [(100.0, 103.9), (105.0, 109.0)]
    assert pieces(window((100.0, 100.4))) == [(100.0, 100.4)]


def test_long_speech_is_divided_in_quiet_moments() -> None:
    first, second = pieces(window((100.0, 112.0), quiet=105.0))
    assert (*first, *second) == pytest.approx((100.0, 105.0, 105.0, 112.0), abs=0.03)
    assert first[1] == second[0]


def test_a_cut_is_in_a_pause_near_the_middle_of_the_stretch() -> None:
    spans = window((100.0, 103.0), (104.0, 107.0), (108.0, 111.0), (112.0, 115.0), (116.0, 117.0))
    assert best_cut(spans, (100.5, 115.0)) == 107.5
    assert best_cut(spans, (112.0, 117.0)) == 115.5
    assert best_cut(window((100.0, 104.0), (104.4, 107.0), (109.0, 111.0)), (100.0, 111.0)) == 108.0, "the longest"


def test_speech_without_a_pause_is_cut_in_a_quiet_moment() -> None:
    assert best_cut(window((100.0, 110.0), quiet=106.0), (100.0, 110.0)) == pytest.approx(106.0, abs=0.03)
    assert best_cut(window((100.0, 102.9)), (100.0, 102.9)) is None


def test_halves_share_the_speech_and_keep_some_of_the_pause() -> None:
    whole = window((100.0, 104.0), (106.0, 110.0))
    first, second = halves(whole, 105.0)
    assert (first.start, first.end, first.speech) == (100.0, 104.5, ((100.0, 104.0),))
    assert (second.start, second.end, second.speech) == (105.5, 110.0, ((106.0, 110.0),))
    assert first.index == second.index == 3
    assert (second.samples == whole.samples[round(5.5 * SAMPLE_RATE) :]).all()


def test_a_cut_inside_speech_loses_nothing() -> None:
    first, second = halves(window((100.0, 104.0), (106.0, 110.0)), 107.0)
    assert (first.end, second.start) == (107.0, 107.0)
    assert seconds(first.speech) + seconds(second.speech) == 8.0
