"""The kernel's log-mel differs from Whisper's in float64 by at most 0.01, on a scale that spans 2.0."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.npu.mel_errors import BANDS, levels, recordings
from kernels.mel.accuracy import MAX_ERROR, MIN_CORRELATION, errors
from kernels.mel.audio import WINDOW_SAMPLES
from kernels.mel.reference import kernel_log_mel, whisper_log_mel
from server.pipeline.encoding.cpu_mel import CpuMel
from server.pipeline.stages.decode import AudioStream
from tests.audio_files import joined

Float32 = NDArray[np.float32]
RATE = 16_000
TIME = np.arange(2 * RATE) / RATE

SYNTHETIC = {
    "tone": 0.3 * np.sin(2 * np.pi * 440 * TIME),
    "loud tone": np.sin(2 * np.pi * 1000 * TIME),
    "square": np.sign(np.sin(2 * np.pi * 123 * TIME + 0.1)),
    "clipped": np.clip(3 * np.sin(2 * np.pi * 300 * TIME), -1, 1),
    "noise": np.random.default_rng(0).standard_normal(len(TIME)) * 0.1,
    "silence, then noise": np.random.default_rng(1).standard_normal(len(TIME)) * 0.1 * (TIME > 1),
    "click in faint noise": np.eye(1, len(TIME), RATE)[0] + np.random.default_rng(2).standard_normal(len(TIME)) * 1e-5,
    "chirp": 0.5 * np.sin(2 * np.pi * (50 * TIME + 1900 * TIME**2)),
    "above full scale": 1.7 * np.sin(2 * np.pi * 200 * TIME),
}
SPEECH = [  # among them the worst of all recordings, which are resampled or purely tonal
    "en/openai_whisper__jfk.flac",
    "fsdd/9_george_34.wav",
    "fsdd/4_george_48.wav",
    "kathleen16k/arctic_a0056.flac",
    "kerstin_de/de_rhasspy-0064.flac",
    "noise/librosa_data__sorohanro_-_solo-trumpet-06.ogg",
    "noise/librosa_data__456440__inspectorj__bird-whistling-robin-single-13.ogg",
]


def assert_close(samples: Float32, n_mels: int, name: str) -> None:
    for level, version in levels(samples):
        found = errors(version, n_mels)
        assert found.largest <= MAX_ERROR, (name, level)
        assert found.correlation >= MIN_CORRELATION, (name, level)


@pytest.mark.parametrize("n_mels", BANDS)
@pytest.mark.parametrize("name", SYNTHETIC)
def test_synthetic(name: str, n_mels: int) -> None:
    assert_close(SYNTHETIC[name].astype(np.float32), n_mels, name)


@pytest.mark.parametrize("n_mels", BANDS)
@pytest.mark.parametrize("name", SPEECH)
def test_recordings(shared_audio: Path, name: str, n_mels: int) -> None:
    assert_close(joined(AudioStream(shared_audio / name))[:WINDOW_SAMPLES], n_mels, name)


@pytest.mark.parametrize("length", [0, 1, 200, 16_000])
def test_silence_is_exact(length: int) -> None:
    found = kernel_log_mel(np.zeros(length, np.float32), 80)
    assert np.array_equal(found, whisper_log_mel(np.zeros(length), 80))


def test_a_full_window_and_its_reflected_end() -> None:
    samples = (np.random.default_rng(4).standard_normal(WINDOW_SAMPLES) * 0.1).astype(np.float32)
    assert np.abs(kernel_log_mel(samples, 80) - whisper_log_mel(samples, 80)).max() <= MAX_ERROR


def test_the_reference_is_the_cpu_path() -> None:
    samples = SYNTHETIC["chirp"].astype(np.float32)
    assert np.abs(CpuMel(80)([samples])[0] - whisper_log_mel(samples, 80)).max() < 2e-4


@pytest.mark.slow
def test_every_recording(shared_audio: Path) -> None:
    count = 0
    for name, samples in recordings(shared_audio):
        for n_mels in BANDS:
            assert_close(samples, n_mels, name)
        count += 1
    assert count > 3000
