"""The downmix: speech in any one channel, and in channels of opposite polarity, stays as loud as it was."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.pipeline.stages.audio.mixing import Downmix

STEREO = ("FL", "FR")
SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")
SECONDS = 4


def voice(seed: int = 1, seconds: float = SECONDS) -> Float32:
    """Return noise with the long-term spectrum and the syllables of speech, roughly; rms 0.1."""
    n = int(seconds * SAMPLE_RATE)
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft(random.normal(size=n)) / (1 + (np.fft.rfftfreq(n, 1 / SAMPLE_RATE) / 500) ** 2)
    samples = np.fft.irfft(spectrum, n) * (1 + np.sin(2 * np.pi * 4 * np.arange(n) / SAMPLE_RATE))
    scaled: Float32 = (0.1 * samples / np.sqrt(np.mean(samples**2))).astype(np.float32)
    return scaled


def power(samples: Float32) -> float:
    return float(np.mean(np.square(samples)))


def decibels(samples: Float32, reference: Float32) -> float:
    return float(10 * np.log10(power(samples) / power(reference)))


def unplaced(channels: int) -> tuple[str, ...]:
    return ("NONE",) * channels


def test_a_single_channel_is_left_alone() -> None:
    assert np.array_equal(Downmix(("FC",))(voice()[:, None]), voice())


def test_the_same_in_both_channels_is_that_channel() -> None:
    assert np.allclose(Downmix(STEREO)(np.stack([voice(), voice()], 1)), voice(), atol=1e-6)


def test_two_speakers_are_averaged() -> None:
    left, right = voice(1), voice(2)
    assert np.allclose(Downmix(STEREO)(np.stack([left, right], 1)), (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("gain", [-1.0, -0.9, -0.6, -0.4])
def test_channels_of_opposite_polarity(gain: float) -> None:
    mono = Downmix(STEREO)(np.stack([voice(), gain * voice()], 1))
    assert decibels(mono, voice()) > -6
    assert np.corrcoef(np.abs(np.fft.rfft(mono)), np.abs(np.fft.rfft(voice())))[0, 1] > 0.99


def test_polarity_that_is_opposite_in_one_second_of_the_file() -> None:
    left, right = voice(), voice()
    right[SAMPLE_RATE : 2 * SAMPLE_RATE] *= -1
    mono = Downmix(STEREO)(np.stack([left, right], 1))
    assert decibels(mono[SAMPLE_RATE : 2 * SAMPLE_RATE], left[SAMPLE_RATE : 2 * SAMPLE_RATE]) > -6


def test_noise_of_its_own_in_each_channel_hides_no_opposite_polarity() -> None:
    noise = np.random.default_rng(2).normal(0, 0.03, (SECONDS * SAMPLE_RATE, 2)).astype(np.float32)
    mono = Downmix(STEREO)(np.stack([voice(), -voice()], 1) + noise)
    assert decibels(mono, voice()) > -6


def test_a_file_of_opposite_polarity_is_one_where_music_is_louder_for_a_while() -> None:
    """Where the common part is loud, the block alone does not show what is lost."""
    mix, speech, music = Downmix(STEREO), voice(1), 3 * voice(2)
    mix(np.stack([speech, -speech], 1))
    mono = mix(np.stack([music + speech, music - speech], 1))
    assert np.dot(mono - np.dot(mono, music) / np.dot(music, music) * music, mono) / len(mono) > 0.3 * power(speech)


@pytest.mark.parametrize("channels", [3, 5, 10, 16, 32, 60, 64, 100])
@pytest.mark.parametrize("last", [True, False])
def test_speech_in_one_channel_without_a_place(channels: int, last: bool) -> None:
    samples = np.random.default_rng(3).normal(0, 0.01, (SECONDS * SAMPLE_RATE, channels)).astype(np.float32)
    at = channels - 1 if last else channels // 2
    samples[:, at] += voice()
    mono = Downmix(unplaced(channels))(samples)
    gain = np.dot(mono, voice()) / np.dot(voice(), voice())
    assert gain > 0.5
    assert decibels(gain * voice(), mono - gain * voice()) > 6


def test_speakers_in_turn_in_channels_without_a_place() -> None:
    samples = np.zeros((SECONDS * SAMPLE_RATE, 8), np.float32)
    for turn in range(4):
        part = slice(turn * SAMPLE_RATE, (turn + 1) * SAMPLE_RATE)
        samples[part, 2 * turn] = voice(turn)[part]
    mono = Downmix(unplaced(8))(samples)
    for turn in range(4):
        part = slice(turn * SAMPLE_RATE, (turn + 1) * SAMPLE_RATE)
        assert decibels(mono[part], voice(turn)[part]) > -1.5


@pytest.mark.parametrize("pair", [(0, 1), (1, 2), (0, 8), (7, 15)])
def test_two_of_16_channels_of_opposite_polarity(pair: tuple[int, int]) -> None:
    samples = np.zeros((SECONDS * SAMPLE_RATE, 16), np.float32)
    samples[:, pair[0]], samples[:, pair[1]] = voice(), -voice()
    assert decibels(Downmix(unplaced(16))(samples), voice()) > -6


@pytest.mark.parametrize("channel", range(6))
def test_speech_in_any_channel_of_a_surround_layout(channel: int) -> None:
    samples = np.zeros((SECONDS * SAMPLE_RATE, 6), np.float32)
    samples[:, channel] = voice()
    assert decibels(Downmix(SURROUND)(samples), voice()) > -10


def test_a_subwoofer_is_left_out() -> None:
    samples = np.zeros((SECONDS * SAMPLE_RATE, 6), np.float32)
    samples[:, 2] = voice()
    samples[:, 3] = 0.5 * np.sin(2 * np.pi * 60 * np.arange(len(samples)) / SAMPLE_RATE)
    mono = Downmix(SURROUND)(samples)
    assert np.corrcoef(mono, voice())[0, 1] > 0.999


def test_loud_channels_are_not_clipped() -> None:
    samples = np.full((SAMPLE_RATE, 6), 0.9, np.float32)
    assert np.abs(Downmix(SURROUND)(samples)).max() <= 1.0001


def test_silence_is_silence() -> None:
    for names in (STEREO, SURROUND, unplaced(3)):
        assert not Downmix(names)(np.zeros((1234, len(names)), np.float32)).any()
        assert Downmix(names)(np.zeros((1, len(names)), np.float32)).shape == (1,)
