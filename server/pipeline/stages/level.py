"""A running gain that lifts quiet audio to the level at which a speech detector was trained.

Only the detector hears the lifted audio. Whisper's own features need no such gain: they are relative to the loudest
place of a window.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from kernels.mel.audio import SAMPLE_RATE, Float32

FRAME = 512  # samples: 32 ms
TARGET = -25.0  # dB of full scale; louder audio stays as it is. Silero loses nothing from -10 down to -40 dB (measured)
MOST = 45.0  # dB of gain at most: speech at -70 dB is lifted whole, and the last bit of 16 stays below -50 dB
SLOPE = 12.0 * FRAME / SAMPLE_RATE  # dB of change from frame to frame: 12 dB a second, too slow to be heard as a click
AHEAD = round(60.0 / SLOPE)  # frames; louder audio further ahead than these 5 s has no effect
SUSTAINED = 7  # frames of which the median counts, so that a click or a slammed door does not hold the gain down
BESIDE = SUSTAINED // 2


class Leveller:
    """A gain for one recording, which arrives in blocks: ``feed`` and ``flush`` return the samples in whole frames.

    The level at a moment is the highest of the levels around it, each less 12 dB for every second of distance; so a
    pause is not lifted to the level of speech, and a quiet talker is lifted some seconds after a loud one. The result
    does not depend on the sizes of the blocks.
    """

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.float32)
        self._levels = np.full(BESIDE, -np.inf)  # of the frames in _samples, and of BESIDE frames before them
        self._before = -np.inf  # the level at the last frame that was returned
        self._gain: float | None = None  # its gain in dB

    def feed(self, samples: Float32) -> Float32:
        """Process the next samples, float32 [n] at 16 kHz; return the lifted frames, float32 [512 m], final now."""
        self._samples = np.concatenate([self._samples, samples])
        known = len(self._levels) - BESIDE
        new = self._samples[known * FRAME : len(self._samples) // FRAME * FRAME].reshape(-1, FRAME)
        with np.errstate(divide="ignore"):
            levels = 10.0 * np.log10(np.square(new, dtype=np.float64).mean(axis=1))
        self._levels = np.concatenate([self._levels, levels])
        return self._lifted(max(0, len(self._levels) - 2 * BESIDE - AHEAD))

    def flush(self) -> Float32:
        """Process the end of the recording; return the remaining frames, the last one padded with silence."""
        padded = self.feed(np.zeros(-len(self._samples) % FRAME, np.float32))
        rest = len(self._samples) // FRAME
        self._levels = np.concatenate([self._levels, np.full(BESIDE + AHEAD, -np.inf)])
        return np.concatenate([padded, self._lifted(rest)])

    def _lifted(self, count: int) -> Float32:
        """Return the first ``count`` frames that are held, lifted, and drop them."""
        if count == 0:
            return np.zeros(0, np.float32)
        gain = np.clip(TARGET - self._level(count), 0.0, MOST)
        first = gain[0] if self._gain is None else self._gain
        points = np.arange(count + 1) * FRAME
        curve = np.interp(np.arange(1, count * FRAME + 1), points, np.concatenate([[first], gain]))
        lifted: Float32 = self._samples[: count * FRAME] * np.power(10.0, curve / 20.0).astype(np.float32)
        self._gain = float(gain[-1])
        self._samples = self._samples[count * FRAME :]
        self._levels = self._levels[count:]
        return lifted

    def _level(self, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return the level at each of the first ``count`` frames, in dB, from the frames around it."""
        sustained = np.median(sliding_window_view(self._levels[: count + 2 * BESIDE + AHEAD], SUSTAINED), axis=1)
        after = (sliding_window_view(sustained, AHEAD + 1) - SLOPE * np.arange(AHEAD + 1)).max(axis=1)
        slopes = SLOPE * np.arange(1, count + 1)
        level: np.ndarray[tuple[int], np.dtype[np.float64]]
        level = np.maximum(np.maximum.accumulate(after + slopes), self._before) - slopes
        self._before = float(level[-1])
        return level
