"""Cutters that divide a recording into windows of at most 30 s while it is read, holding little more than one."""

from __future__ import annotations

from itertools import count

import numpy as np

from kernels.mel.audio import SAMPLE_RATE, WINDOW_SAMPLES, Float32
from server.pipeline.stages.protocols import Span, SpeechDetector
from server.pipeline.window import Window

QUIET_SEARCH = 3 * SAMPLE_RATE  # without a detector, a window ends at the quietest place of its last 3 s
QUIET_FRAME = SAMPLE_RATE // 50  # 20 ms


class SpeechCutter:
    """A cutter of windows around the speech that ``detector`` finds: as many spans as fit into 30 s, pauses included.

    Silence before, between and after windows is dropped. A window is complete once no further speech can fit into it.
    """

    def __init__(self, detector: SpeechDetector) -> None:
        self.device: str | None = detector.device
        self._detector = detector
        self._audio = _Tail()
        self._packer = _Packer()
        self._count = count()

    def push(self, block: Float32) -> list[Window]:
        """Process the next samples, float32 [n] at 16 kHz; return the windows that are complete now."""
        self._audio.append(block)
        spans = self._detector.feed(block)
        cut = self._cut([*self._packer.push(spans), *self._packer.expire(self._detector.undecided)])
        self._audio.drop(self._packer.start if self._packer.start is not None else self._detector.undecided)
        return cut

    def flush(self) -> list[Window]:
        """Process the end of the recording; return the remaining windows."""
        return self._cut([*self._packer.push(self._detector.flush()), *self._packer.flush()])

    def _cut(self, groups: list[list[Span]]) -> list[Window]:
        return [_window(next(self._count), self._audio, group) for group in groups]


class FixedCutter:
    """A cutter of windows that cover the whole recording, each ending in the quietest 20 ms of its last 3 s."""

    def __init__(self) -> None:
        self.device: str | None = None
        self._audio = _Tail()
        self._count = count()

    def push(self, block: Float32) -> list[Window]:
        """Process the next samples, float32 [n] at 16 kHz; return the windows that are complete now."""
        audio, cut = self._audio, []
        audio.append(block)
        while audio.length > WINDOW_SAMPLES:
            end = audio.offset + _quietest(audio.slice(audio.offset, audio.offset + WINDOW_SAMPLES))
            cut.append(_window(next(self._count), audio, [(audio.offset, end)]))
            audio.drop(end)
        return cut

    def flush(self) -> list[Window]:
        """Process the end of the recording; return the remaining window, if there is one."""
        audio = self._audio
        rest = [(audio.offset, audio.offset + audio.length)]
        return [_window(next(self._count), audio, rest)] if audio.length else []


def _window(index: int, audio: _Tail, spans: list[Span]) -> Window:
    start, end = spans[0][0], spans[-1][1]
    speech = tuple((a / SAMPLE_RATE, b / SAMPLE_RATE) for a, b in spans)
    return Window(index, start / SAMPLE_RATE, audio.slice(start, end), speech)


def _quietest(samples: Float32) -> int:
    tail = samples[-QUIET_SEARCH:].reshape(-1, QUIET_FRAME)
    frame = int(np.argmin(np.square(tail).sum(axis=1)))
    return len(samples) - QUIET_SEARCH + frame * QUIET_FRAME + QUIET_FRAME // 2


class _Packer:
    """A collector of spans of speech; it groups as many as fit into a window of 30 s, pauses included."""

    def __init__(self) -> None:
        self._group: list[Span] = []

    @property
    def start(self) -> int | None:
        return self._group[0][0] if self._group else None

    def push(self, spans: list[Span]) -> list[list[Span]]:
        full: list[list[Span]] = []
        for start, end in spans:
            if self._group and end - self._group[0][0] > WINDOW_SAMPLES:
                full += self.flush()
            self._group.append((start, min(end, start + WINDOW_SAMPLES)))
        return full

    def expire(self, undecided: int) -> list[list[Span]]:
        """Return the group if no span that begins at sample ``undecided`` or later fits into it."""
        return self.flush() if self._group and undecided - self._group[0][0] >= WINDOW_SAMPLES else []

    def flush(self) -> list[list[Span]]:
        group, self._group = self._group, []
        return [group] if group else []


class _Tail:
    """The last samples of a stream, addressed by their position in the whole stream."""

    def __init__(self) -> None:
        self.offset = 0
        self._samples = np.zeros(0, np.float32)

    @property
    def length(self) -> int:
        return len(self._samples)

    def append(self, block: Float32) -> None:
        self._samples = np.concatenate([self._samples, block])

    def drop(self, until: int) -> None:
        """Drop the samples before sample ``until``, counted from the beginning of the stream."""
        count = min(max(0, until - self.offset), self.length)
        self._samples = self._samples[count:]
        self.offset += count

    def slice(self, start: int, end: int) -> Float32:
        return self._samples[start - self.offset : end - self.offset].copy()
