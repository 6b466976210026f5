"""Whisper's log-mel features in numpy: 80 bands, 25 ms windows, 10 ms steps, Slaney's mel scale.

Corpora keep the plain logarithm; the range of 8 below the loudest value is clamped per window, as Whisper does.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
FFT = 400
HOP = 160
BANDS = 80
FRAMES_PER_SECOND = RATE // HOP
FLOOR = -10.0  # log10 of the smallest power that is told from silence

Float32 = NDArray[np.float32]


def hz_to_mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: linear up to 1 kHz (15 mel), logarithmic above."""
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1e-9) / 1000) / np.log(6.4))


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of ``hz_to_mel``."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


@functools.cache
def mel_filters() -> Float32:
    """Triangles of equal area, float32 [201, 80]."""
    edges = mel_to_hz(np.linspace(0, float(hz_to_mel(np.array(RATE / 2))), BANDS + 2))
    bins = np.linspace(0, RATE / 2, FFT // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return triangles.astype(np.float32)


def log_mel(samples: Float32) -> Float32:
    """log10 of the mel power, float32 [len(samples) // 160, 80], not yet clamped or scaled."""
    frames = len(samples) // HOP
    padded = np.pad(samples.astype(np.float32), FFT // 2, mode="reflect")
    window = np.hanning(FFT + 1)[:-1].astype(np.float32)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP][:frames] * window
    power = (np.abs(np.fft.rfft(pieces, axis=1)) ** 2).astype(np.float32)
    mel: Float32 = np.log10(np.maximum(power @ mel_filters(), 1e-10))
    return mel


def scaled(mel: Float32) -> Float32:
    """Whisper's input: clamped to 8 below the loudest value of the window, then (x + 4) / 4."""
    clamped: Float32 = (np.maximum(mel, mel.max() - 8) + 4) / 4
    return clamped


def trim(samples: Float32, below_db: float = 40.0, margin: int = 800) -> tuple[Float32, float]:
    """Cut the silence at both ends, but ``margin`` samples; also says how many seconds were cut at the start."""
    blocks = samples[: len(samples) // HOP * HOP].reshape(-1, HOP)
    level = np.sqrt((blocks**2).mean(axis=1))
    loud = np.flatnonzero(level > level.max(initial=0.0) * 10 ** (-below_db / 20))
    if len(loud) == 0:
        return samples, 0.0
    first = max(0, int(loud[0]) * HOP - margin)
    return samples[first : (int(loud[-1]) + 1) * HOP + margin], first / RATE
