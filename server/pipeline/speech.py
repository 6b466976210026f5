"""The speech within a window, to 10 ms: the spans of voice activity detection, without the pauses that they contain.

Detection pads speech by 200 ms and bridges pauses of 300 ms, which is too coarse for word times. The energy of the
samples shows where the sound of a span begins, ends and pauses.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.pipeline.window import Window

FRAME = SAMPLE_RATE // 100  # 10 ms
PRE_EMPHASIS = 0.97  # against hum, and for fricatives; the usual value in speech recognition (HTK Book, 5.4)
BELOW_LOUD = 38.0  # dB from the loud frames of a span down to its faintest speech
ABOVE_FLOOR = 6.0  # dB from the background of a span up to its faintest speech
CONTRAST = 18.0  # dB between loud frames and background, under which energy does not tell speech from pauses
SILENT_DB = -100.0  # the least level, of digital silence
DIGITAL_DB = -90.0  # under which there is no background either, but silence of a mixer or a codec
SECOND = SAMPLE_RATE // FRAME  # frames
PADDING = 15  # frames at each end of a span that are likely to be padding
PAUSE = 0.2  # seconds; shorter quiet stretches are sounds of speech, such as the closure of a stop
SOUND = 0.05  # seconds; shorter sounds between pauses are clicks
EDGE = 0.01  # seconds that are left on each side of a sound, for its faint onset and end

Levels = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Speech:
    """A stretch of speech without a pause, in seconds from the window's start.

    ``heard`` is false where the energy does not tell speech from pauses, so that there may be some.
    """

    start: float
    end: float
    heard: bool = True

    @property
    def length(self) -> float:
        """The length in seconds, which is above 0."""
        return self.end - self.start


def speech_in(window: Window) -> list[Speech]:
    """Return where there is speech in a window, at least one stretch, in order and apart.

    A window without spans counts as one span.
    """
    length = window.end - window.start
    spans = [Speech(max(a - window.start, 0.0), min(b - window.start, length), False) for a, b in window.speech]
    spans = [span for span in spans if span.length >= SOUND] or [Speech(0.0, max(length, SOUND), False)]
    level = _levels(window.samples)
    floor = _floor(level)
    return [speech for span in spans for speech in _sounds(level, floor, span)]


def _levels(samples: Float32) -> Levels:
    """Return the level of each 10 ms after pre-emphasis, in dB of full scale, float64 [n]."""
    high = np.append(samples[:1], samples[1:] - np.float32(PRE_EMPHASIS) * samples[:-1])
    whole = np.append(high, np.zeros(-len(high) % FRAME)).reshape(-1, FRAME)
    return np.asarray(10 * np.log10(np.square(whole).mean(axis=1) + 10 ** (SILENT_DB / 10)))


def _floor(level: Levels) -> Levels:
    """Return the level of the background around each frame: the 5th percentile of 5 s without digital silence."""
    starts = range(0, len(level), SECOND)
    around = [level[max(0, start - 2 * SECOND) : start + 3 * SECOND] for start in starts]
    audible = [part[part > DIGITAL_DB] for part in around]
    floors = [np.percentile(part, 5) if len(part) else SILENT_DB for part in audible]
    return np.repeat(floors, SECOND)[: len(level)]


def _sounds(level: Levels, floor: Levels, span: Speech) -> list[Speech]:
    """Return the parts of a span that sound; the span itself where the energy does not tell."""
    first, last = (round(edge * SAMPLE_RATE / FRAME) for edge in (span.start, span.end))
    inside, below = level[first:last], floor[first:last]
    if not len(inside):
        return [span]
    below = np.maximum(below, _edges(inside))
    loud = float(np.percentile(inside, 95))
    if loud - np.median(below) < CONTRAST:
        return [span]
    least = np.clip(below + ABOVE_FLOOR, loud - BELOW_LOUD, loud - CONTRAST)
    sounding = np.flatnonzero(inside > least) + first
    joined: list[tuple[float, float]] = []
    for begin, end in _runs(sounding):
        if joined and begin - joined[-1][1] < PAUSE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return [
        Speech(max(begin - EDGE, span.start), min(end + EDGE, span.end)) for begin, end in joined if end - begin > SOUND
    ] or [span]


def _edges(inside: Levels) -> Levels:
    """Return the background in the padding at both ends of a span, which is nearer to its words than seconds around."""
    near = np.full(len(inside), SILENT_DB)
    if len(inside) > 4 * PADDING:
        for end in (slice(None, PADDING), slice(-PADDING, None)):
            near[end] = np.percentile(inside[end], 20)
    return near


def _runs(frames: NDArray[np.intp]) -> list[tuple[float, float]]:
    """Return the runs of consecutive frames as (start, end) in seconds."""
    breaks = np.flatnonzero(np.diff(frames) > 1) + 1
    edges = [0, *breaks.tolist(), len(frames)]
    seconds = FRAME / SAMPLE_RATE
    return [(float(frames[a]) * seconds, float(frames[b - 1] + 1) * seconds) for a, b in pairwise(edges)]


class SpeechLine:
    """A time axis of the speech alone, in seconds: the stretches of speech one behind the other, without the pauses."""

    def __init__(self, speech: list[Speech]) -> None:
        self.speech = speech
        ends = np.cumsum([stretch.length for stretch in speech]).tolist()
        self._offsets: list[float] = [0.0, *ends[:-1]]
        self.length: float = ends[-1]

    def position(self, seconds: float) -> float:
        """Return the position of a moment of the window; a moment in a pause has that of the speech after it."""
        return sum((min(max(seconds - stretch.start, 0.0), stretch.length) for stretch in self.speech), 0.0)

    def stretch_of(self, start: float, end: float) -> int:
        """Return the number of the stretch that holds most of what lies between two positions; the earliest of equals.

        An empty word between two stretches belongs to the earlier one.
        """
        shares = [
            min(end, offset + stretch.length) - max(start, offset)
            for offset, stretch in zip(self._offsets, self.speech, strict=True)
        ]
        return int(np.argmax(shares))

    def seconds(self, position: float, stretch: int) -> float:
        """Return the moment of the window at a position, moved into the given stretch."""
        inside = min(max(position - self._offsets[stretch], 0.0), self.speech[stretch].length)
        return self.speech[stretch].start + inside
