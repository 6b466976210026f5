"""The best coefficients for gelu.h: a minimax fit, beside which the test holds those that gelu.h has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Float64 = NDArray[np.float64]


def error_of(coefficients: Float64, u: Float64) -> Float64:
    """Return u * (polynomial ** 2 - Phi(-u)), the error of GELU at |x| = u, for coefficients with the lowest first."""
    result: Float64 = u * (np.polynomial.polynomial.polyval(u / 2 - 1, coefficients) ** 2 - ndtr(-u))
    return result


def minimax(degree: int = 5, rounds: int = 400) -> Float64:
    """Return the coefficients with the least largest error on [0, 4], by Lawson's weighted least squares.

    The weights grow where the error is large; float64 [degree + 1], lowest first.
    """
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
