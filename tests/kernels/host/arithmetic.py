"""The arithmetic of an AIE2 core in numpy that only tests need: narrowing, products and comparisons of vectors.

A second statement of the rules that the C++ headers implement, on top of ``kernels.host.numerics``, whose sources it
shares. bfloat16 values are uint16 bits, fp32 values float32 arrays whose bits count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kernels.host.numerics import Bits16, Floats, Rounding, Saturation, Terms, rounds_up

TERMS = 8  # products that one bfloat16 matrix instruction sums per lane


def shift_round_saturate(
    acc: NDArray[np.integer],
    shift: int,
    to: DTypeLike,
    rounding: Rounding = Rounding.FLOOR,
    saturation: Saturation = Saturation.NONE,
) -> NDArray[np.integer]:
    """Return ``acc >> shift`` as the integer type ``to``, for 0 <= shift < 64 and accumulators of up to 64 bits."""
    exact = acc.astype(object)
    kept = np.array([value >> shift for value in exact.ravel()], dtype=object).reshape(exact.shape)
    lost = exact - kept * 2**shift
    half = 2**shift // 2
    guard = np.asarray((lost >= half) if shift else lost > 0, dtype=bool)
    sticky = np.asarray(lost - guard * half > 0, dtype=bool)
    up = rounds_up(rounding, guard, sticky, np.asarray(kept % 2 == 1, dtype=bool), np.asarray(acc < 0))
    rounded = kept + up
    info = np.iinfo(np.dtype(to))
    if saturation is not Saturation.NONE:
        low = -info.max if saturation is Saturation.SYMMETRIC and info.min < 0 else info.min
        rounded = np.minimum(np.maximum(rounded, low), info.max)
    wrapped = (rounded - int(info.min)) % 2**info.bits + int(info.min)
    return np.asarray(wrapped.astype(to))


def from_bfloat16(bits: Bits16) -> Floats:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def products(a: Bits16, b: Bits16, negate: bool = False) -> Terms:
    wide = [np.asarray(x).astype(np.int64) for x in (a, b)]
    exponents = [x >> 7 & 0xFF for x in wide]
    fractions = [x & 0x7F for x in wide]
    negative = ((wide[0] ^ wide[1]) >> 15 == 1) != negate
    mantissas = [np.where(e > 0, f + 0x80, f) for e, f in zip(exponents, fractions, strict=True)]
    magnitude = mantissas[0] * mantissas[1] << 9
    nan = [(e == 0xFF) & (f > 0) for e, f in zip(exponents, fractions, strict=True)]
    inf = [(e == 0xFF) & (f == 0) for e, f in zip(exponents, fractions, strict=True)]
    zero = [m == 0 for m in mantissas]
    infinite = inf[0] | inf[1]
    return Terms(
        np.where(negative, -magnitude, magnitude),
        np.where(magnitude > 0, np.maximum(exponents[0], 1) + np.maximum(exponents[1], 1) + 1, 0),
        nan[0] | nan[1] | (infinite & (zero[0] | zero[1])),
        infinite & ~negative,
        infinite & negative,
    )


def mac(acc: Floats, a: Bits16, b: Bits16, subtract: bool = False) -> Floats:
    """Return acc +- sum(a * b) over the last axis of a and b as one instruction: acc [...], a and b [..., 1 to 8]."""
    terms = products(a, b, subtract)
    acc = np.ascontiguousarray(acc, dtype=np.float32)
    result = terms.with_terms(Terms.floats(acc[..., None])).total(signed_underflow=False)
    passes = np.isnan(acc) & ~terms.nan.any(axis=-1) & (terms.mantissa == 0).all(axis=-1)
    return np.where(passes, acc.view(np.uint32), result.view(np.uint32)).view(np.float32)


def matmul(a: Bits16, b: Bits16, acc: Floats) -> Floats:
    """Return acc + a @ b, eight products at a time along K: a [M, K], b [K, N], acc [M, N]; K a multiple of 8."""
    for k in range(0, a.shape[1], TERMS):
        rows, columns = np.broadcast_arrays(a[:, None, k : k + TERMS], b.T[None, :, k : k + TERMS])
        acc = mac(acc, rows, columns)
    return acc


def matmul_integers(a: NDArray[np.integer], b: NDArray[np.integer], acc: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return acc + a @ b, wrapping in the type of the accumulator (int32 or int64)."""
    exact = acc.astype(object) + a.astype(object) @ b.astype(object)
    info = np.iinfo(acc.dtype)
    return ((exact - int(info.min)) % 2**info.bits + int(info.min)).astype(acc.dtype)  # type: ignore[no-any-return]


def bfloat16_order(bits: Bits16) -> NDArray[np.float64]:
    """Return a key that sorts bfloat16 as AIE2 compares them: -0 below +0; NaN gives NaN, for which none holds."""
    magnitude = (bits & 0x7FFF).astype(np.float64)
    key = np.where(bits >> 15 == 1, -1 - magnitude, magnitude)
    return np.where(magnitude > 0x7F80, np.nan, key)


def bfloat16_max(a: Bits16, b: Bits16) -> Bits16:
    return np.where(bfloat16_order(a) < bfloat16_order(b), b, a)


def bfloat16_min(a: Bits16, b: Bits16) -> Bits16:
    return np.where(bfloat16_order(a) >= bfloat16_order(b), b, a)
