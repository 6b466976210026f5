"""Windows of several channels: one sequence, each with its own channel's samples, soon after they were said."""

from __future__ import annotations

import numpy as np

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.pipeline.stages.protocols import Span
from server.pipeline.window import Window
from server.pipeline.windows.channels import ChannelCutter
from tests.pipeline.windows.test_cutting import Scripted

SECONDS = 100


def noise(seed: int) -> Float32:
    samples = np.random.default_rng(seed).uniform(-0.1, 0.1, SECONDS * SAMPLE_RATE)
    # one has low sounds, one has high sounds, so that they are not taken for each other's leak
    other = np.roll(samples, 1)
    return (samples + other if seed else samples - other).astype(np.float32)


def spans(*seconds: tuple[int, int]) -> list[Span]:
    return [(start * SAMPLE_RATE, end * SAMPLE_RATE) for start, end in seconds]


def cut(cutter: ChannelCutter, samples: Float32) -> list[tuple[float, Window]]:
    """Return every window with the seconds that were read until it was complete."""
    found: list[tuple[float, Window]] = []
    for start in range(0, len(samples), 10 * SAMPLE_RATE):
        block = samples[start : start + 10 * SAMPLE_RATE]
        found += [(start / SAMPLE_RATE + 10, window) for window in cutter.push(block)]
    return found + [(SECONDS, window) for window in cutter.flush()]


def test_windows_are_one_sequence_and_none_waits_for_a_silent_channel() -> None:
    scripts = iter([spans((1, 5), (6, 12), (55, 60)), spans((13, 20), (70, 95))])
    samples = np.stack([noise(0), noise(1)], axis=1)
    found = cut(ChannelCutter(lambda: Scripted(next(scripts))), samples)
    windows = [window for _, window in found]
    assert [window.index for window in windows] == [0, 1, 2, 3]
    assert [(window.channel, window.start, window.end) for window in windows] == [
        (0, 1, 12),
        (1, 13, 20),
        (0, 55, 60),
        (1, 70, 95),
    ]
    assert all(read <= window.start + 50 for read, window in found), "30 s, a block and the gate's 3 s"
    for window in windows:
        assert window.channel is not None
        expected = samples[int(window.start) * SAMPLE_RATE : int(window.end) * SAMPLE_RATE, window.channel]
        assert np.array_equal(window.samples, expected)


def test_without_a_detector_a_silent_channel_has_no_window() -> None:
    samples = np.stack([np.zeros(SECONDS * SAMPLE_RATE, np.float32), noise(1)], axis=1)
    windows = [window for _, window in cut(ChannelCutter(lambda: None), samples)]
    assert {window.channel for window in windows} == {1}
    assert sum(len(window.samples) for window in windows) == len(samples)


def test_a_recording_of_no_length_has_no_window() -> None:
    assert ChannelCutter(lambda: None).flush() == []
