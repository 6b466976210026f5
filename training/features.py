"""Whisper's log-mel features in numpy: 80 bands, 25 ms windows, 10 ms steps, Slaney's mel scale.

Corpora keep the plain logarithm; the range of 8 below the loudest value is clamped per window, as Whisper does.
"""

from __future__ import annotations

import numpy as np

from kernels.mel.audio import HOP_LENGTH, N_FFT, SAMPLE_RATE, Float32, mel_filters

BANDS = 80
FRAMES_PER_SECOND = SAMPLE_RATE // HOP_LENGTH
FLOOR = -10.0  # log10 of the smallest power that differs from silence


def log_mel(samples: Float32) -> Float32:
    """Return log10 of the mel power, float32 [len(samples) // 160, 80], not yet clamped or scaled."""
    frames = len(samples) // HOP_LENGTH
    padded = np.pad(samples.astype(np.float32), N_FFT // 2, mode="reflect")
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH][:frames] * window
    power = (np.abs(np.fft.rfft(pieces, axis=1)) ** 2).astype(np.float32)
    mel: Float32 = np.log10(np.maximum(power @ mel_filters(BANDS).T, 1e-10))
    return mel


def scaled(mel: Float32) -> Float32:
    """Scale log-mels as Whisper does: clamp them to 8 below the loudest value of the window, then take (x + 4) / 4."""
    clamped: Float32 = (np.maximum(mel, mel.max() - 8) + 4) / 4
    return clamped


def trim(samples: Float32, below_db: float = 40.0, margin: int = 800) -> tuple[Float32, float]:
    """Cut the silence at both ends except for ``margin`` samples; also return the seconds cut at the start."""
    blocks = samples[: len(samples) // HOP_LENGTH * HOP_LENGTH].reshape(-1, HOP_LENGTH)
    level = np.sqrt((blocks**2).mean(axis=1))
    loud = np.flatnonzero(level > level.max(initial=0.0) * 10 ** (-below_db / 20))
    if len(loud) == 0:
        return samples, 0.0
    first = max(0, int(loud[0]) * HOP_LENGTH - margin)
    return samples[first : (int(loud[-1]) + 1) * HOP_LENGTH + margin], first / SAMPLE_RATE
