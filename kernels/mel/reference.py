"""What the mel kernel is held against: Whisper's recipe in float64, and the kernel itself called in plain loops."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.host.buffers import aligned, buffer, pointer
from kernels.host.compile import build
from kernels.mel.audio import HOP_LENGTH, MEL_FRAMES, N_FFT, WINDOW_SAMPLES, mel_filters
from kernels.mel.filters import CORES, Share, shares
from kernels.mel.host import Bits, Float32, Int16, energies, gain, log_mel, pack
from kernels.mel.plan import Plan
from kernels.mel.tables import FOLDED, POWER, constants

Float64 = NDArray[np.float64]

SOURCE = Path(__file__).with_name("mel.cc")


def whisper_log_mel(samples: NDArray[Any], n_mels: int, frames: int = MEL_FRAMES) -> Float64:
    """openai/whisper audio.py in float64: samples [n <= 480,000] -> [n_mels, 3000].

    With ``frames`` the first ones only, behind which there is silence: the result is the same.
    """
    window = np.zeros(WINDOW_SAMPLES)
    window[: len(samples)] = samples
    padded = np.pad(window, N_FFT // 2, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    view = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH][:frames]
    power = np.abs(np.fft.rfft(view * hann)) ** 2
    log = np.log10(np.maximum(mel_filters(n_mels) @ power.T, 1e-10))
    result: Float64 = (np.maximum(log, log.max() - 8.0) + 4.0) / 4.0
    return result


def call_kernel(argument: Int16, plan: Plan) -> Bits:
    """What a launch writes for its first argument: the kernel called object by object, without any array around it."""
    kernel = _kernel()
    objects = plan.columns * plan.objects
    output = buffer(objects * plan.object_energies, np.uint16).reshape(objects, CORES, -1)
    folded, power = buffer(FOLDED, np.int16), buffer(POWER, np.uint16)
    chunk, out = buffer(plan.object_samples, np.int16), buffer(plan.core_energies, np.uint16)
    for row, share in enumerate(shares(plan.n_mels)):
        kept = [pointer(array) for array in _constants(share, plan)]
        for number in range(objects):
            start = number * plan.object_hop
            chunk[:] = argument[start : start + plan.object_samples]
            pointers = (pointer(chunk), *kept, pointer(folded), pointer(power), pointer(out))
            kernel(*pointers, plan.per_object, plan.band_groups)
            output[number, row] = out
    return output.ravel()


def kernel_log_mel(samples: NDArray[Any], n_mels: int) -> Float32:
    """The whole path of one window on the host: float32 [n_mels, 3000]. Only frames that see audio are computed."""
    frames = min(MEL_FRAMES, -(-(len(samples) + N_FFT // 2) // HOP_LENGTH))
    plan = Plan(n_mels, columns=1, frames=frames)
    power = gain(samples)
    spectrum = np.zeros((n_mels, MEL_FRAMES), np.float32)
    spectrum[:, :frames] = energies(call_kernel(pack(samples, plan, power), plan), plan)
    return log_mel(spectrum, power)


@cache
def _kernel() -> Callable[..., None]:
    kernel = build([SOURCE]).mel_frames
    kernel.restype = None
    return kernel


@cache
def _constants(share: Share, plan: Plan) -> tuple[NDArray[Any], ...]:
    return tuple(aligned(array) for array in constants(share, plan))
