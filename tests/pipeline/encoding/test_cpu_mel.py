"""The spectrogram is Whisper's own, to float32 precision."""

from __future__ import annotations

import numpy as np
import pytest
from librosa.filters import mel as slaney
from numpy.typing import NDArray

from kernels.mel.audio import WINDOW_SAMPLES, Float32
from server.pipeline.encoding.cpu_mel import CpuMel
from server.pipeline.stages.decode import AudioStream
from tests.audio_files import joined, tone


def reference(samples: Float32, n_mels: int) -> NDArray[np.float64]:
    """Return Whisper's log-mel of a padded window in float64, by the recipe of the paper's text."""
    padded = np.zeros(WINDOW_SAMPLES)
    padded[: len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(padded, 200, mode="reflect"), 400)[::160][:-1]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    mel = slaney(sr=16_000, n_fft=400, n_mels=n_mels).astype(np.float64) @ power.T
    log = np.log10(np.maximum(mel, 1e-10))
    result: NDArray[np.float64] = (np.maximum(log, log.max() - 8) + 4) / 4
    return result


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("length", [0, 1, 159, 160, 200, 201, 399, 16_000, 479_799, 479_800, 479_801, 480_000])
def test_every_length(length: int, n_mels: int) -> None:
    samples = (np.random.default_rng(length).standard_normal(length) * 0.1).astype(np.float32)
    mel = CpuMel(n_mels)([samples])
    assert mel.shape == (1, n_mels, 3000)
    assert mel.dtype == np.float32
    assert np.abs(mel[0] - reference(samples, n_mels)).max() < 2e-5


@pytest.mark.parametrize("gain", [1.0, 1e-2, 1e-4])
def test_levels(gain: float) -> None:
    samples = tone(3.0, gain=gain)
    assert np.abs(CpuMel(80)([samples])[0] - reference(samples, 80)).max() < 2e-4


def test_speech(shared_audio: object) -> None:
    samples = joined(AudioStream(shared_audio / "en" / "openai_whisper__jfk.flac"))  # type: ignore[operator]
    assert np.abs(CpuMel(80)([samples])[0] - reference(samples, 80)).max() < 2e-5


def test_windows_do_not_touch_each_other() -> None:
    loud, quiet = tone(30.0), tone(1.0, gain=0.001)
    mel = CpuMel(80)
    assert np.array_equal(mel([loud, quiet])[1], mel([quiet])[0])


def test_more_than_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="480000"):
        CpuMel(80)([np.zeros(480_001, np.float32)])
