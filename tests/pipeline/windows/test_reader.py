"""A recording as windows, with its times, its counts and the copy for diarization."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kernels.mel.audio import SAMPLE_RATE
from server.pipeline.stages.decode import AudioStream
from server.pipeline.stages.vad import SileroDetector
from server.pipeline.window import Window
from server.pipeline.windows.reader import WindowReader
from server.settings.stages import VadSettings
from tests.audio_files import tone, write


def windows(reader: WindowReader) -> list[Window]:
    found: list[Window] = []
    while (read := reader.read()) is not None:
        found += read
    return found


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(tmp_path / "a.wav", tone(65.0))


def test_without_a_detector_everything_is_read_and_counted(recording: Path) -> None:
    reader = WindowReader(AudioStream(recording))
    found = windows(reader)
    assert sum(len(window.samples) for window in found) == 65 * SAMPLE_RATE
    assert (reader.windows, reader.frames) == (len(found), sum(window.frames for window in found))
    assert (reader.seconds, reader.duration, reader.warnings) == (65.0, 65.0, [])
    assert {time.stage for time in reader.clock.times()} == {"decode"}
    assert reader.read() is None


def test_with_a_detector_silence_has_no_window(tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", tone(12.0, gain=0.0))
    reader = WindowReader(AudioStream(source), SileroDetector(VadSettings()))
    assert windows(reader) == []
    assert {time.stage for time in reader.clock.times()} == {"decode", "vad"}


@pytest.mark.parametrize("keep", [True, False])
def test_the_whole_recording_is_kept_if_asked_for(recording: Path, keep: bool) -> None:
    reader = WindowReader(AudioStream(recording), keep=keep)
    found = windows(reader)
    whole = np.concatenate([window.samples for window in found])
    assert np.array_equal(reader.samples(), whole if keep else np.zeros(0, np.float32))
    reader.close()
