"""The errors of the kernel's log-mel against Whisper's in float64, and the limits for these errors.

All errors are on Whisper's scale, on which the values of a window span 2.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.matmul.blocks import from_bf16, to_bf16
from kernels.mel.audio import HOP_LENGTH, MEL_FRAMES, N_FFT, WINDOW_SAMPLES
from kernels.mel.reference import Float64, kernel_log_mel, whisper_log_mel

MAX_ERROR = 0.01  # of any value of any recording
MIN_CORRELATION = 0.9999
QUIET = 0.01  # -40 dB


@dataclass(frozen=True, slots=True)
class LogMelErrors:
    """The errors of one recording's log-mel, over the frames that see audio.

    ``largest``, ``mean`` and ``rms`` are of the errors' magnitudes. ``on_tile`` and ``on_tile_mean`` are the largest
    and the mean error of another design, in which the core takes the logarithm and hands it over as bf16.
    """

    largest: float
    mean: float
    rms: float
    correlation: float
    on_tile: float
    on_tile_mean: float


def error_report(samples: NDArray[Any], n_mels: int) -> dict[str, NDArray[Any]]:
    """Return the log-mel of one window as three arrays: ``reference``, ``kernel`` and their ``difference``.

    Each is [n_mels, frames that see audio]; ``reference`` is Whisper's in float64.
    """
    frames = min(MEL_FRAMES, -(-(len(samples) + N_FFT // 2) // HOP_LENGTH))
    reference = whisper_log_mel(samples, n_mels, frames)
    kernel = kernel_log_mel(samples, n_mels)[:, :frames]
    return {"reference": reference, "kernel": kernel, "difference": kernel - reference}


def errors(samples: NDArray[Any], n_mels: int) -> LogMelErrors:
    """Return the errors of a recording of any length, float samples [n > 0], computed window by window."""
    windows = [error_report(samples[i : i + WINDOW_SAMPLES], n_mels) for i in range(0, len(samples), WINDOW_SAMPLES)]
    reference, kernel = (
        np.concatenate([window[name] for window in windows], axis=1) for name in ("reference", "kernel")
    )
    difference = np.abs(kernel - reference)
    on_tile = np.abs(from_bf16(to_bf16(kernel)) - reference)
    return LogMelErrors(
        largest=float(difference.max()),
        mean=float(difference.mean()),
        rms=float(np.sqrt(np.mean(difference**2))),
        correlation=_correlation(reference, kernel.astype(np.float64)),
        on_tile=float(on_tile.max()),
        on_tile_mean=float(on_tile.mean()),
    )


def _correlation(a: Float64, b: Float64) -> float:
    """Return Pearson's correlation of a and b; 1 if one of them is constant, as for silence."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    return float(np.sum(a * b)) / norm if norm > 0 else 1.0
