"""GELU as it should be, as gelu.h computes it (bit by bit, in numpy), and where gelu.h's coefficients come from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from kernels.host.numerics import Rounding, add, to_bfloat16

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bits = NDArray[np.uint16]

COEFFICIENTS = (4 * 1236, -11783, 9456, -341, -2836, 593)  # of sqrt(Phi(-u)) in z = u / 2 - 1, times 2**15
ERROR = 2.5e-4  # largest |gelu.h - GELU| before the result is rounded to bf16: 1.4e-4 the polynomial, the rest steps


def exact(x: NDArray[np.floating]) -> Float64:
    """x * Phi(x), Whisper's GELU (torch.nn.GELU without approximation)."""
    wide = x.astype(np.float64)
    result: Float64 = wide * ndtr(wide)
    return result


def fixed_point(x: Float32) -> Bits:
    """The bf16 bits that gelu.h gives for fp32 x, NaN excepted: its steps in numpy."""
    return to_bfloat16(unrounded(x), Rounding.CONV_EVEN)


def unrounded(x: Float32) -> Float32:
    """What gelu.h hands on before its result is rounded to bf16."""
    return _of_shifted(add(x, np.full_like(x, 0.25)))


def fixed_point_of_shifted(shifted: Float32) -> Bits:
    """``fixed_point`` of what has 0.25 added already, as the epilogue of a product does with its bias."""
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


def error_of(coefficients: Float64, u: Float64) -> Float64:
    """u * (polynomial ** 2 - Phi(-u)): what coefficients, lowest first, cost GELU at |x| = u."""
    result: Float64 = u * (np.polynomial.polynomial.polyval(u / 2 - 1, coefficients) ** 2 - ndtr(-u))
    return result


def minimax(degree: int = 5, rounds: int = 400) -> Float64:
    """Coefficients whose largest error on [0, 4] is least: weighted least squares with growing weights (Lawson)."""
    u = np.linspace(0, 4, 801)
    powers = np.polynomial.polynomial.polyvander(u / 2 - 1, degree)
    weights = np.ones_like(u)
    coefficients = np.polynomial.polynomial.polyfit(u / 2 - 1, np.sqrt(ndtr(-u)), degree)
    best = coefficients
    for _ in range(rounds):
        error = error_of(coefficients, u)
        if np.abs(error).max() < np.abs(error_of(best, u)).max():
            best = coefficients
        weights *= np.abs(error) / np.abs(error).max() + 0.02
        weights /= weights.mean()
        root = np.sqrt(weights)
        slope = 2 * u[:, None] * (powers @ coefficients)[:, None] * powers  # Gauss-Newton
        coefficients = coefficients - np.linalg.lstsq(slope * root[:, None], error * root, rcond=None)[0]
    return best


def _round(value: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """value / 2**shift, rounded to nearest, ties to even."""
    kept = value >> shift
    rest = value - (kept << shift)
    half = 1 << (shift - 1)
    rounded: NDArray[np.int64] = kept + ((rest > half) | ((rest == half) & (kept & 1 == 1)))
    return rounded
