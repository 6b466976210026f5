"""The reference of gelu.h: GELU in float64, and gelu.h's fixed-point steps in numpy, which give equal bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from kernels.host.numerics import Rounding, add, to_bfloat16

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bits = NDArray[np.uint16]

# Of sqrt(Phi(-u)) in powers of z = u / 2 - 1, times 2**15: the largest error of u * Phi(-u) on [0, 4] is nearly the
# least of any polynomial of degree 5 (tests/kernels/gelu/minimax.py computes the least).
COEFFICIENTS = (4 * 1236, -11783, 9456, -341, -2836, 593)
ERROR = 2.5e-4  # largest |gelu.h - GELU| before rounding to bf16: 1.4e-4 of the polynomial, the rest of fixed point


def exact(x: NDArray[np.floating]) -> Float64:
    """Return x * Phi(x), Whisper's GELU (torch.nn.GELU without approximation)."""
    wide = x.astype(np.float64)
    result: Float64 = wide * ndtr(wide)
    return result


def fixed_point(x: Float32) -> Bits:
    """Return GELU of fp32 x as gelu.h computes it, rounded to bf16: uint16 bits. NaN is not supported."""
    return to_bfloat16(unrounded(x), Rounding.CONV_EVEN)


def unrounded(x: Float32) -> Float32:
    """Return GELU of fp32 x as gelu.h computes it, in fp32 before the rounding to bf16."""
    return _of_shifted(add(x, np.full_like(x, 0.25)))


def fixed_point_of_shifted(shifted: Float32) -> Bits:
    """Return ``fixed_point`` of x, given x + 0.25, which the epilogue of a matrix product makes with its bias."""
    return to_bfloat16(_of_shifted(shifted), Rounding.CONV_EVEN)


def _of_shifted(shifted: Float32) -> Float32:
    steps = add(shifted, np.full_like(shifted, 1535.75)).view(np.int32) - np.float32(1536).view(np.int32)  # wraps
    u = np.abs(np.clip(steps, -32767, 32767)).astype(np.int64)
    z = u - 16384
    z2 = _round(z * z, 14)
    c0, c1, c2, c3, c4, c5 = COEFFICIENTS
    high = _round(c5 * z, 14) + c4
    middle = _round(c3 * z + high * z2, 14) + c2
    root = _round(c1 * z + middle * z2, 16) + c0 // 4
    product = _round(u * root, 14) * root
    h = (product + np.float32(0.25).view(np.int32)).astype(np.int32).view(np.float32)
    positive = np.maximum(shifted.view(np.int32), np.float32(0.25).view(np.int32)).view(np.float32)
    return add(positive, h, subtract=True)


def _round(value: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """Return value / 2**shift, rounded to nearest, ties to even."""
    kept = value >> shift
    rest = value - (kept << shift)
    half = 1 << (shift - 1)
    rounded: NDArray[np.int64] = kept + ((rest > half) | ((rest == half) & (kept & 1 == 1)))
    return rounded
