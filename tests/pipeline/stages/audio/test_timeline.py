"""The time line: audio is where a player plays it, and stamps that cannot be true are ignored, with a warning."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.errors import TooLarge
from server.pipeline.stages.audio.timeline import Stamp, Timeline
from server.pipeline.stages.decode import AudioStream
from tests.audio_files import TrackSource, joined, tone, write, write_tracks

HOUR = 3600.0
CONTAINERS = [
    ("a.mkv", "pcm_s16le"),
    ("a.mkv", "libopus"),
    ("a.mp4", "aac"),
    ("a.mov", "alac"),
    ("a.ts", "mp2"),
    ("a.nut", "pcm_s16le"),
]


def decoded(path: Path) -> tuple[Float32, list[str]]:
    stream = AudioStream(path, max_seconds=6 * HOUR)
    return joined(stream), stream.warnings


def first_sound(samples: Float32, after: float = 0.0) -> float:
    """Return the time in seconds of the first sample that is not quiet."""
    at = int(after * SAMPLE_RATE)
    return float(np.flatnonzero(np.abs(samples[at:]) > 0.05)[0] + at) / SAMPLE_RATE


@pytest.mark.parametrize(("name", "codec"), CONTAINERS)
def test_audio_that_starts_after_the_video(tmp_path: Path, name: str, codec: str) -> None:
    rate = 48_000
    path = write_tracks(tmp_path / name, [TrackSource(tone(3, rate), 4.9)], codec=codec, rate=rate, video=9)
    samples, warnings = decoded(path)
    assert first_sound(samples) == pytest.approx(4.9, abs=0.12)
    assert len(samples) / SAMPLE_RATE == pytest.approx(7.9, abs=0.12)
    assert not warnings


@pytest.mark.parametrize(("name", "codec"), CONTAINERS)
def test_a_hole_of_20_seconds(tmp_path: Path, name: str, codec: str) -> None:
    def hole(said: float) -> float:
        return said if said < 2 else said + 20

    track = TrackSource(tone(4, 48_000), stamps=hole)
    path = write_tracks(tmp_path / name, [track], codec=codec, rate=48_000, video=2)
    samples, warnings = decoded(path)
    assert first_sound(samples, after=3) == pytest.approx(22, abs=0.12)
    assert len(samples) / SAMPLE_RATE == pytest.approx(24, abs=0.12)
    assert not warnings


def test_the_start_of_the_second_track_counts_from_the_container(tmp_path: Path) -> None:
    tracks = [TrackSource(tone(3)), TrackSource(tone(3), 2.0, default=True)]
    samples, _ = decoded(write_tracks(tmp_path / "a.mkv", tracks))
    assert first_sound(samples) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("codec", ["libopus", "aac"])
def test_priming_is_no_delay(tmp_path: Path, codec: str) -> None:
    path = write(tmp_path / "a.mkv", tone(3.0, 48_000), rate=48_000, codec=codec)
    samples, warnings = decoded(path)
    assert first_sound(samples) < 0.06
    assert not warnings


def test_jitter_puts_nothing_in(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    track = TrackSource(tone(5), stamps=lambda said: said + random.uniform(0, 0.06))
    samples, warnings = decoded(write_tracks(tmp_path / "a.mkv", [track], disordered=True))
    assert len(samples) / SAMPLE_RATE == pytest.approx(5, abs=0.11)
    assert not warnings


@pytest.mark.parametrize(
    "stamps",
    [
        lambda said: said if said < 2 else said - 1.5,
        lambda said: said if said < 2 else said + 10 * HOUR,
        lambda said: said if said < 2 else said + 3 * 365 * 24 * HOUR,
        lambda said: said if not 2 <= said < 2.019 else said + 50,
        lambda said: said if not 2 <= said < 3 else said - 1.8,
        lambda said: 10.0 * ((said * 1000) % 7),
    ],
    ids=["backwards", "ten hours", "three years", "one packet", "one second", "random"],
)
def test_stamps_that_cannot_be_true_are_ignored(tmp_path: Path, stamps: Callable[[float], float]) -> None:
    path = write_tracks(tmp_path / "a.mkv", [TrackSource(tone(4), stamps=stamps)], disordered=True)
    begun = time.process_time()
    samples, warnings = decoded(path)
    assert time.process_time() - begun < 2
    assert len(samples) / SAMPLE_RATE < 130
    assert np.count_nonzero(np.abs(samples) > 0.05) == pytest.approx(4 * SAMPLE_RATE * 0.89, rel=0.05)
    assert len(warnings) == 1
    assert "time stamps" in warnings[0]


def test_silence_counts_for_the_longest_recording(tmp_path: Path) -> None:
    track = TrackSource(tone(4), stamps=lambda said: said if said < 2 else said + 50)
    path = write_tracks(tmp_path / "a.mkv", [track])
    with pytest.raises(TooLarge):
        joined(AudioStream(path, max_seconds=20))


def frames(line: Timeline, stamps: list[float | None], seconds: float = 0.02) -> list[float]:
    """Return the silence before frames of these times."""
    found = [Stamp(time, seconds) for time in stamps]
    return [line.silence_before(a, b) for a, b in zip(found, [*found[1:], Stamp(None, 0)], strict=True)]


def test_silence_is_paid_for_in_bytes() -> None:
    hours = 10 * HOUR
    assert frames(Timeline(1_000, hours + 1), [0.0, hours, hours + 0.02]) == [0, 0, 0]
    assert frames(Timeline(10_000_000, hours + 1), [0.0, hours, hours + 0.02])[1] == pytest.approx(hours, abs=0.1)


def test_a_claimed_length_limits_a_jump() -> None:
    assert frames(Timeline(10**9, 30.0), [0.0, 1000.0, 1000.02]) == [0, 0, 0]
    assert frames(Timeline(10**9, None), [0.0, 1000.0, 1000.02])[1] == pytest.approx(999.98)
    assert frames(Timeline(10**9, None), [0.0, 5000.0, 5000.02]) == [0, 0, 0]


def test_packets_that_carry_no_silence_leave_holes_between_them() -> None:
    """A codec with discontinuous transmission sends a frame of silence every 0.4 s."""
    line = Timeline(1_000, None)
    assert sum(frames(line, [0.4 * i for i in range(10)])) == pytest.approx(9 * 0.38)
    assert line.warning is None


def test_lost_packets_are_made_up_for() -> None:
    line = Timeline(1_000, None)
    stamps = [0.02 * i for i in range(500) if i % 10]
    frames(line, list(stamps))
    assert line.position == pytest.approx(10, abs=0.15)


def test_a_clock_that_is_slightly_fast_makes_no_warning() -> None:
    for speed in (1.001, 0.999):
        line = Timeline(10**6, None)
        frames(line, [0.02 * i * speed for i in range(100_000)])
        assert line.warning is None
        assert line.position == pytest.approx(2000 * max(speed, 1), abs=1.1)
