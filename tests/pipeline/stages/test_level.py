"""Quiet audio is lifted to the level of the speech detector, without steps, however the stream is cut."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.pipeline.stages.level import FRAME, Leveller
from tests.audio_files import tone


def lifted(samples: Float32, cut: int = 160_000) -> Float32:
    leveller = Leveller()
    parts = [leveller.feed(samples[start : start + cut]) for start in range(0, len(samples), cut)]
    return np.concatenate([*parts, leveller.flush()])


def decibels(samples: Float32) -> float:
    return float(10 * np.log10(np.square(samples, dtype=np.float64).mean()))


def at(level: float, seconds: float) -> Float32:
    sine = tone(seconds)
    return sine * np.float32(10 ** ((level - decibels(sine)) / 20))


@pytest.mark.parametrize("level", [-10.0, -20.0])
def test_loud_audio_stays_as_it_is(level: float) -> None:
    samples = at(level, 12.0)
    assert np.array_equal(lifted(samples)[: len(samples)], samples)


@pytest.mark.parametrize("level", [-30.0, -50.0, -70.0])
def test_quiet_audio_is_lifted_from_its_first_sample(level: float) -> None:
    result = lifted(at(level, 12.0))
    assert decibels(result[:FRAME]) == pytest.approx(-25.0, abs=0.5)
    assert decibels(result) == pytest.approx(-25.0, abs=0.5)


def test_the_gain_has_an_end() -> None:
    assert decibels(lifted(at(-90.0, 8.0))) == pytest.approx(-45.0, abs=0.5)
    assert not lifted(np.zeros(3 * SAMPLE_RATE, np.float32)).any()


def test_a_quiet_talker_after_a_loud_one_is_lifted_slowly() -> None:
    """The gain rises by 12 dB a second, and falls as slowly before the loud talker comes."""
    samples = np.concatenate([at(-60.0, 10.0), at(-20.0, 2.0), at(-60.0, 10.0)])
    result = lifted(samples)

    def gain(second: float) -> float:
        there = slice(int(second * SAMPLE_RATE), int((second + 0.2) * SAMPLE_RATE))
        return decibels(result[there]) - decibels(samples[there])

    assert gain(10.9) == pytest.approx(0.0, abs=0.1), "the loud talker stays"
    assert [gain(second) for second in (2.0, 18.0)] == pytest.approx([35.0, 35.0], abs=0.5)
    assert [gain(second) for second in (8.9, 12.9)] == pytest.approx([7.0, 7.0], abs=1.5)


def test_a_click_does_not_hold_the_gain_down() -> None:
    quiet = at(-60.0, 12.0)
    clicked = quiet.copy()
    clicked[6 * SAMPLE_RATE : 6 * SAMPLE_RATE + 800] = 0.5
    away = slice(0, 5 * SAMPLE_RATE)
    assert decibels(lifted(clicked)[away]) == pytest.approx(decibels(lifted(quiet)[away]), abs=0.1)


@pytest.mark.parametrize("cut", [1, 511, 512, 7_919, 1_000_000])
def test_the_cut_of_the_stream_does_not_matter(cut: int) -> None:
    samples = np.concatenate([at(-60.0, 1.0), at(-20.0, 0.5), at(-45.0, 1.1)])[: 20_000 if cut == 1 else None]
    assert np.allclose(lifted(samples, cut), lifted(samples), rtol=1e-5, atol=1e-7)
