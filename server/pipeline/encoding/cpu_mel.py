"""Whisper's log-mel spectrogram on the CPU.

Recipe of openai/whisper's audio.py: Hann window of 400, hop 160, centred with reflected edges, the last frame dropped,
Slaney mel filters, log10 clamped to 8 below the window's maximum, then (x + 4) / 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.fft import rfft
from scipy.sparse import csr_array

from kernels.mel.audio import HOP_LENGTH, MEL_FRAMES, N_FFT, WINDOW_SAMPLES, Float32, mel_filters


class CpuMel:
    """The mel stage on the CPU: windows float32 [n <= 480,000] give log-mel features float32 [B, n_mels, 3000].

    Only the frames that contain audio are computed: the others are exact silence, whose value is the clamp.
    """

    device = "cpu"

    def __init__(self, n_mels: int) -> None:
        self.n_mels = n_mels
        self.filters = csr_array(mel_filters(n_mels))  # 98 % of the entries are zero

    def __call__(self, windows: Sequence[Float32]) -> Float32:
        features = np.empty((len(windows), self.n_mels, MEL_FRAMES), np.float32)
        for row, samples in zip(features, windows, strict=True):
            self._fill(row, samples)
        return features

    def _fill(self, row: Float32, samples: Float32) -> None:
        if len(samples) > WINDOW_SAMPLES:
            raise ValueError(f"a window holds at most {WINDOW_SAMPLES} samples, not {len(samples)}")
        frames = min(MEL_FRAMES, -(-(len(samples) + N_FFT // 2) // HOP_LENGTH))
        power = power_spectrum(samples, frames)
        log = np.log10(np.maximum(self.filters @ power, 1e-10))
        floor = max(float(log.max(initial=-10.0)), -10.0) - 8.0
        row[:, :frames] = (np.maximum(log, floor) + 4.0) / 4.0
        row[:, frames:] = (max(-10.0, floor) + 4.0) / 4.0


def power_spectrum(samples: Float32, frames: int) -> Float32:
    """Return the power spectrum |STFT|^2, float32 [201, frames], of samples that are followed by silence."""
    padded = np.zeros(max((frames - 1) * HOP_LENGTH + N_FFT, N_FFT // 2 + 1), np.float32)
    body = samples[: len(padded) - N_FFT // 2]
    padded[N_FFT // 2 : N_FFT // 2 + len(body)] = body
    padded[: N_FFT // 2] = padded[N_FFT // 2 + 1 : N_FFT + 1][::-1]
    if len(samples) + N_FFT // 2 > WINDOW_SAMPLES:  # only a full window reaches its own reflected end
        _reflect_end(padded, samples)
    view = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH][:frames]
    spectrum = rfft(view * hann(), axis=1, overwrite_x=True)
    return np.ascontiguousarray((spectrum.real**2 + spectrum.imag**2).T, dtype=np.float32)


def _reflect_end(padded: Float32, samples: Float32) -> None:
    window = np.zeros(WINDOW_SAMPLES, np.float32)
    window[: len(samples)] = samples
    reflected = np.concatenate([window, window[-2 : -N_FFT // 2 - 2 : -1]])
    body = reflected[: len(padded) - N_FFT // 2]
    padded[N_FFT // 2 : N_FFT // 2 + len(body)] = body


@cache
def hann() -> Float32:
    """Return the periodic Hann window, float32 [400]."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)
