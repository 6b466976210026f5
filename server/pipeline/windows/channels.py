"""The cutter of a recording with a speaker a channel: each channel has its own speech and its own windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np

from kernels.mel.audio import Float32
from server.pipeline.stages.audio.crosstalk import CrosstalkGate
from server.pipeline.stages.protocols import SpeechDetector
from server.pipeline.window import Window
from server.pipeline.windows.cutting import FixedCutter, SpeechCutter

INAUDIBLE = 1e-4  # of full scale, -80 dB: a window whose samples are below it holds the silence of a channel


class ChannelCutter:
    """A cutter of windows that hold one channel each; they are numbered in the order in which they are complete.

    Speech that a channel has from another is silenced first. ``new_detector`` returns a speech detector for a channel,
    or None if the windows of every channel shall cover the whole recording.
    """

    def __init__(self, new_detector: Callable[[], SpeechDetector | None]) -> None:
        self._new_detector = new_detector
        self._first = new_detector()
        self.device = self._first.device if self._first else None
        self._gate: CrosstalkGate | None = None
        self._cutters: list[SpeechCutter | FixedCutter] = []
        self._count = count()

    def push(self, block: Float32) -> list[Window]:
        """Process the next samples, float32 [n, channels] at 16 kHz; return the windows that are complete now."""
        if self._gate is None:
            detectors = [self._first, *(self._new_detector() for _ in range(1, block.shape[1]))]
            self._cutters = [SpeechCutter(d) if d else FixedCutter() for d in detectors]
            self._gate = CrosstalkGate(block.shape[1])
        return self._numbered(self._cut(self._gate.feed(block)))

    def flush(self) -> list[Window]:
        """Process the end of the recording; return the remaining windows."""
        if self._gate is None:
            return []
        last = self._cut(self._gate.flush())
        return self._numbered(
            last + [replace(w, channel=n) for n, cutter in enumerate(self._cutters) for w in cutter.flush()]
        )

    def _cut(self, samples: Float32) -> list[Window]:
        return [
            replace(window, channel=number)
            for number, cutter in enumerate(self._cutters)
            for window in cutter.push(np.ascontiguousarray(samples[:, number]))
        ]

    def _numbered(self, windows: list[Window]) -> list[Window]:
        heard = [window for window in windows if np.abs(window.samples).max(initial=0.0) >= INAUDIBLE]
        return [replace(window, index=next(self._count)) for window in sorted(heard, key=lambda window: window.end)]
