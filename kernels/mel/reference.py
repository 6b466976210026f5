"""The reference of the mel kernel: Whisper's log-mel in float64, and the host-compiled kernel in a plain loop."""

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
from kernels.mel.host import Bits, Float32, Int16, energies, gain, log_mel, pack
from kernels.mel.plan import MelPlan
from kernels.mel.shares import CORES, Share, shares
from kernels.mel.tables import FOLDED, POWER, constants

Float64 = NDArray[np.float64]

SOURCE = Path(__file__).with_name("mel.cc")


def whisper_log_mel(samples: NDArray[Any], n_mels: int, frames: int = MEL_FRAMES) -> Float64:
    """Return the log-mel of openai/whisper's audio.py, in float64 [n_mels, frames], for samples [n <= 480,000].

    ``frames`` may leave out frames at the end that see only silence: the others stay unchanged.
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


def call_kernel(argument: Int16, plan: MelPlan) -> Bits:
    """Return the second argument (energies) of a mel launch for its first one, by calls of the host-compiled kernel.

    The kernel is called for every object of every core, without a simulated array. Raises CompileError.
    """
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
    """Return the log-mel that the NPU's mel stage would compute, float32 [n_mels, 3000], for samples [n <= 480,000].

    The kernel is compiled for this machine and called in a plain loop; the steps on the host are those of the stage.
    Frames after the end of the audio are silence and are not computed. Raises ValueError for more than 480,000 samples,
    CompileError if the kernel does not compile.
    """
    frames = min(MEL_FRAMES, -(-(len(samples) + N_FFT // 2) // HOP_LENGTH))
    plan = MelPlan(n_mels, columns=1, frames=frames)
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
def _constants(share: Share, plan: MelPlan) -> tuple[NDArray[Any], ...]:
    return tuple(aligned(array) for array in constants(share, plan))
