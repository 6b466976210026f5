"""Windows hold all the speech, in order, at most 30 s each, while little audio is held."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kernels.mel.audio import SAMPLE_RATE, WINDOW_SAMPLES, Float32
from server.pipeline.stages.protocols import Span
from server.pipeline.window import Window
from server.pipeline.windows.cutting import FixedCutter, SpeechCutter
from tests.audio_files import joined


class Scripted:
    """A detector that is given the spans beforehand and returns each of them once its end was fed."""

    device = "cpu"

    def __init__(self, spans: list[Span]) -> None:
        self.spans = spans
        self.fed = 0

    def feed(self, samples: Float32) -> list[Span]:
        self.fed += len(samples)
        final = [span for span in self.spans if span[1] <= self.fed]
        self.spans = self.spans[len(final) :]
        return final

    def flush(self) -> list[Span]:
        return self.spans

    @property
    def undecided(self) -> int:
        return min(self.fed, self.spans[0][0]) if self.spans else self.fed


def ramp(length: int) -> Float32:
    """Return samples whose values are their positions, which float32 holds exactly up to 2^24."""
    return np.arange(length, dtype=np.float32)


def blocks(samples: Float32, size: int) -> Iterator[Float32]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def cut(blocks: Iterable[Float32], cutter: SpeechCutter | FixedCutter) -> Iterator[Window]:
    """Yield the windows of a whole recording, each as soon as it is complete."""
    for block in blocks:
        yield from cutter.push(block)
    yield from cutter.flush()


@st.composite
def speech(draw: st.DrawFn) -> list[Span]:
    lengths = draw(st.lists(st.tuples(st.integers(0, 300_000), st.integers(1, WINDOW_SAMPLES)), max_size=12))
    spans, clock = [], 0
    for pause, length in lengths:
        spans.append((clock + pause, clock + pause + length))
        clock = spans[-1][1]
    return spans


@given(speech(), st.integers(10_000, 400_000))
def test_every_span_is_in_one_window_whole(spans: list[Span], size: int) -> None:
    end = spans[-1][1] if spans else 0
    windows = list(cut(blocks(ramp(end + 5000), size), SpeechCutter(Scripted(list(spans)))))
    told = [span for window in windows for span in window.speech]
    assert told == [(a / SAMPLE_RATE, b / SAMPLE_RATE) for a, b in spans]
    for index, window in enumerate(windows):
        assert window.index == index
        assert len(window.samples) <= WINDOW_SAMPLES
        assert window.samples[0] == round(window.start * SAMPLE_RATE)
        assert window.samples[-1] == round(window.end * SAMPLE_RATE) - 1
    for left, right in itertools.pairwise(windows):
        assert left.end <= right.start + 1e-9  # of the sums of fractions of a second
        assert right.speech[0][1] - left.start > 30, "the next span would still have fitted"


def test_a_window_is_passed_on_before_the_stream_ends() -> None:
    spans = [(0, 320_000), (330_000, 640_000), (650_000, 960_000)]
    fed = 0

    def counted() -> Iterator[Float32]:
        nonlocal fed
        for block in blocks(ramp(3_000_000), 100_000):
            fed += len(block)
            yield block

    next(cut(counted(), SpeechCutter(Scripted(spans))))
    assert fed == 700_000


@given(st.integers(0, 2_500_000), st.integers(5_000, 500_000))
def test_fixed_windows_leave_nothing_out(length: int, size: int) -> None:
    samples = ramp(length)
    windows = list(cut(blocks(samples, size), FixedCutter()))
    assert np.array_equal(joined(window.samples for window in windows), samples)
    assert all(len(window.samples) <= WINDOW_SAMPLES for window in windows)


def test_fixed_windows_are_cut_where_it_is_quiet() -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 40 * SAMPLE_RATE).astype(np.float32)
    samples[28 * SAMPLE_RATE : 28 * SAMPLE_RATE + 3200] = 0.0
    first = next(cut(blocks(samples, SAMPLE_RATE), FixedCutter()))
    assert 28.0 <= first.end <= 28.2
