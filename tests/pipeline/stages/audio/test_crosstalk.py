"""Speech that one channel has from another is silenced; other speech stays, however quiet it is."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.pipeline.stages.audio.crosstalk import CrosstalkGate

SECONDS = 14
MIDDLE = slice(2 * SAMPLE_RATE, 12 * SAMPLE_RATE)


def speechlike(seed: int, level: float = -26.0) -> Float32:
    """Return 10 s of noise between two silences, with formants and syllables of its own, at a level in dB."""
    rng = np.random.default_rng(seed)
    length = 10 * SAMPLE_RATE
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hertz = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    voice = np.zeros(length)
    for centre in rng.uniform(200, 3500, 6):
        band = np.fft.irfft(spectrum * np.exp(-(((hertz - centre) / 150) ** 2)), length)
        loudness = np.interp(
            np.arange(length), np.arange(0, length, 2400), rng.uniform(-40, 0, length // 2400 + 1)[:67]
        )
        voice += band / band.std() * 10 ** (loudness / 20)
    said = np.zeros(SECONDS * SAMPLE_RATE)
    said[MIDDLE] = voice / voice.std() * 10 ** (level / 20)
    return said.astype(np.float32)


def gated(*channels: Float32, block: int = 160_000) -> Float32:
    samples = np.stack(channels, axis=1)
    gate = CrosstalkGate(len(channels))
    parts = [gate.feed(samples[start : start + block]) for start in range(0, len(samples), block)]
    result = np.concatenate([*parts, gate.flush()])
    assert result.shape == samples.shape
    return result


def kept(before: Float32, after: Float32) -> float:
    """Return the share of a channel's energy that is left."""
    return float(np.square(after).sum() / np.square(before).sum())


def later(samples: Float32, seconds: float) -> Float32:
    return np.roll(samples, round(seconds * SAMPLE_RATE))


def noise(seed: int, level: float) -> Float32:
    samples = np.random.default_rng(seed).standard_normal(SECONDS * SAMPLE_RATE) * 10 ** (level / 20)
    return samples.astype(np.float32)


@pytest.mark.parametrize("difference", [0, -12, -24, -40])
def test_two_who_talk_at_once_both_stay(difference: float) -> None:
    loud, quiet = speechlike(1), speechlike(2, -26 + difference)
    result = gated(loud, quiet)
    assert kept(loud, result[:, 0]) == 1
    assert kept(quiet, result[:, 1]) > 0.99


@pytest.mark.parametrize("gain", [1.0, -1.0, 1.5, 0.5, 0.05])
def test_of_copies_the_first_stays(gain: float) -> None:
    said = speechlike(1)
    result = gated(said, gain * said + noise(3, -75))
    assert kept(said, result[:, 0]) == 1
    assert kept(gain * said, result[:, 1]) < 0.01


def test_of_copies_one_that_is_much_louder_stays() -> None:
    said = speechlike(1)
    result = gated(0.2 * said, said)
    assert kept(said, result[:, 1]) == 1
    assert not result[:, 0].any()


@pytest.mark.parametrize("delay", [0.0, 0.06, 0.31])
@pytest.mark.parametrize("level", [-20, -25, -35])
def test_a_leak_is_silenced_on_both_sides(level: float, delay: float) -> None:
    """The two talk in turn: the second one from 10 s after the first one's end."""
    gain = np.float32(10 ** (level / 20))
    silence = np.zeros(12 * SAMPLE_RATE, np.float32)
    first, second = np.append(speechlike(1), silence), np.append(silence, speechlike(2))
    left, right = first + gain * later(second, delay), second + gain * later(first, delay)
    result = gated(left, right)
    assert kept(first, result[: len(first) // 2, 0]) > 0.99
    assert kept(second, result[:, 1]) > 0.98
    assert kept(gain * first, result[: len(first) // 2, 1]) < 0.01
    assert kept(gain * second, result[len(second) // 2 :, 0]) < 0.01


def test_a_copy_may_be_earlier_and_a_word_over_a_leak_stays() -> None:
    said = speechlike(1)
    result = gated(later(said, 0.1), said)
    assert kept(said, result[:, 1]) + kept(said, result[:, 0]) == pytest.approx(1, abs=0.02)
    word = np.zeros_like(said)
    word[100_000:106_400] = speechlike(2, -30)[100_000:106_400]
    result = gated(said, word + np.float32(0.03) * said)
    assert kept(word, result[98_000:109_000, 1]) == pytest.approx(1, abs=0.1)
    assert not result[:90_000, 1].any()


def test_silence_and_blocks_of_any_size() -> None:
    said, quiet = speechlike(1), np.zeros(SECONDS * SAMPLE_RATE, np.float32)
    leak = said * np.float32(0.05) + speechlike(2)
    whole = gated(said, quiet, leak)
    assert not whole[:, 1].any()
    assert np.array_equal(whole, gated(said, quiet, leak, block=7_001))


@pytest.mark.parametrize("length", [0, 1, 319, 640, 10_001])
def test_short_recordings_keep_their_length(length: int) -> None:
    assert gated(np.ones(length, np.float32), np.zeros(length, np.float32)).shape == (length, 2)
