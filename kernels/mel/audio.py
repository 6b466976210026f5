"""Whisper's audio constants and mel filters; every other module takes them from here.

Names and values are those of openai/whisper's audio.py (c0d2f62); each number that follows from another is derived.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz
N_FFT = 400  # samples of a spectrum: 25 ms
HOP_LENGTH = 160  # samples between spectra: 10 ms
WINDOW_SECONDS = 30  # audio that one encoder pass sees
WINDOW_SAMPLES = WINDOW_SECONDS * SAMPLE_RATE  # 480,000
MEL_FRAMES = WINDOW_SAMPLES // HOP_LENGTH  # 3,000 spectra of a window
ENCODER_FRAMES = MEL_FRAMES // 2  # 1,500 encoder states of a window: the second convolution has stride 2
BINS = N_FFT // 2 + 1  # 201 frequencies of a spectrum

# Slaney's mel scale: linear below 1 kHz, which is mel 15; above it 27 mels to a factor of 6.4.
KNEE_HERTZ = 1000.0
KNEE_MEL = 15.0
LOG_STEP = np.log(6.4) / 27

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@cache
def mel_filters(n_mels: int) -> Float32:
    """Return Whisper's mel filters, triangles of equal area on Slaney's mel scale: float32 [n_mels, 201], read-only.

    They equal librosa.filters.mel(sr=16000, n_fft=400, n_mels=n_mels) to the bit, without librosa's two seconds of
    import: like librosa, this function rounds the triangles to float32 before it scales them.
    """
    edges = mel_to_hertz(np.linspace(0.0, float(hertz_to_mel(np.array(SAMPLE_RATE / 2))), n_mels + 2))
    bins = np.linspace(0, SAMPLE_RATE / 2, BINS)
    ramps = edges[:, None] - bins
    width = np.diff(edges)
    rising, falling = -ramps[:-2] / width[:-1, None], ramps[2:] / width[1:, None]
    filters = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    filters.flags.writeable = False
    return filters


def hertz_to_mel(hertz: Float64) -> Float64:
    """Convert frequencies from hertz to Slaney's mel scale."""
    above = KNEE_MEL + np.log(np.maximum(hertz, KNEE_HERTZ) / KNEE_HERTZ) / LOG_STEP
    return np.where(hertz > KNEE_HERTZ, above, hertz * KNEE_MEL / KNEE_HERTZ)


def mel_to_hertz(mels: Float64) -> Float64:
    """Convert frequencies from Slaney's mel scale to hertz."""
    above = KNEE_HERTZ * np.exp(LOG_STEP * (mels - KNEE_MEL))
    return np.where(mels >= KNEE_MEL, above, mels * KNEE_HERTZ / KNEE_MEL)
