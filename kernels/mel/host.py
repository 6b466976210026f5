"""The host's part of mel: packing samples as int16 before a launch, and turning energies into log-mel after it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.matmul.blocks import from_bf16
from kernels.mel.audio import N_FFT, WINDOW_SAMPLES
from kernels.mel.plan import PLANES, MelPlan
from kernels.mel.shares import GROUP, shares
from kernels.mel.tables import AMPLITUDE

Float32 = NDArray[np.float32]
Int16 = NDArray[np.int16]
Bits = NDArray[np.uint16]

BLOCK = 16  # samples whose high planes lie together, then their low planes
LOW_BITS = 13
HIGH_BITS = 12  # without the sign
PEAK = 1 - 2.0**-HIGH_BITS  # the largest sample whose rounded high plane still fits
OUTPUT_BITS = 8  # energies are in units of (amplitude * 2^(8 + gain))^2, see mel.cc
TINY = np.float32(1e-30)  # replaces an energy of zero under the logarithm
SILENCE = -10.0  # Whisper's floor under log10 of the energies
RANGE = 8.0  # decades below the loudest that Whisper keeps
MOST_GAIN = 32  # 2^-32 of full scale is below the floor in every band


def gain(samples: NDArray[Any]) -> int:
    """Return the exponent, at most 32, of the power of two that brings the loudest sample to half to all of full scale.

    ``samples`` are floats, with full scale 1. Silence has the exponent 0.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    return min(math.frexp(PEAK / peak)[1] - 1, MOST_GAIN) if peak > 0 else 0


def pack(samples: NDArray[Any], plan: MelPlan, power: int) -> Int16:
    """Return float samples [n <= 480,000] of one window, times 2^power, as the first argument of a mel launch.

    Silence follows the samples and both ends are reflected, as in Whisper. Every sample becomes two int16 values, in
    blocks of 16 high and 16 low values, flat. A launch of a whole window takes the result from its start, one from
    frame f on from element 320 f. Raises ValueError for more than a window.
    """
    if len(samples) > WINDOW_SAMPLES:
        raise ValueError(f"A window holds at most {WINDOW_SAMPLES} samples, not {len(samples)}.")
    half = N_FFT // 2
    total = -(-max(plan.input_samples // PLANES, WINDOW_SAMPLES + N_FFT) // BLOCK)
    planes = np.zeros((total, PLANES, BLOCK), np.int16)
    ends_in_silence = len(samples) < WINDOW_SAMPLES - half
    heard = max(len(samples), N_FFT) if ends_in_silence else WINDOW_SAMPLES
    padded = np.zeros(-(-(heard + N_FFT) // BLOCK) * BLOCK, np.float32)
    window = padded[half : half + heard]
    window[: len(samples)] = samples
    padded[:half] = window[half:0:-1]
    if not ends_in_silence:
        padded[half + WINDOW_SAMPLES :][:half] = window[-2 : -half - 2 : -1]
    padded *= np.float32(2.0 ** (power + HIGH_BITS + LOW_BITS))
    fixed = np.rint(padded, out=padded).astype(np.int32).reshape(-1, BLOCK)
    high = (fixed + (1 << (LOW_BITS - 1))) >> LOW_BITS
    planes[: len(fixed), 0] = high
    planes[: len(fixed), 1] = fixed - (high << LOW_BITS)
    return planes.ravel()


def energies(output: Bits, plan: MelPlan) -> Float32:
    """Return the mel energies of a launch, float32 [n_mels, frames] in the kernel's unit.

    ``output`` is the launch's second argument, bf16 bits.
    """
    objects = output.reshape(plan.columns * plan.objects, -1, plan.frame_groups, plan.band_groups, GROUP, GROUP)
    result = np.empty((plan.n_mels, plan.frames), np.float32)
    for row, share in enumerate(shares(plan.n_mels)):
        mine = objects[:, row, :, : share.groups].transpose(2, 3, 0, 1, 4)  # groups, 4 bands, objects, groups, 4 frames
        bands = mine.reshape(share.groups * GROUP, plan.columns * plan.objects, -1)[: share.bands, :, : plan.per_object]
        flat = bands.reshape(share.bands, -1)[:, : plan.frames]
        result[share.first_band : share.first_band + share.bands] = from_bf16(flat)
    return result


def log_mel(spectrum: Float32, power: int) -> Float32:
    """Turn the energies [n_mels, 3000] of one window into Whisper's log-mel, in place, and return it.

    ``power`` is the exponent of the power of two that the samples were packed with.
    """
    log = np.log10(np.maximum(spectrum, TINY, out=spectrum), out=spectrum)
    log -= np.float32(2 * math.log10(AMPLITUDE * 2.0 ** (OUTPUT_BITS + power)))
    loudest = max(float(log.max()), SILENCE)
    np.maximum(log, np.float32(max(loudest - RANGE, SILENCE)), out=log)
    log += np.float32(4.0)
    log *= np.float32(0.25)
    return log
