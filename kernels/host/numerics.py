"""The arithmetic of an AIE2 core in numpy: a second statement of the rules that the C++ headers implement.

Nothing is shared with the headers: everything here is integer arithmetic on mantissas and exponents. bfloat16 values
are passed as uint16 bits, fp32 values as float32 arrays whose bits count (NaN payloads and the sign of zero included).

Sources: xdna-emu src/interpreter/execute/{vector_srs,vector_float,vector_compare}.rs and vector_matmul/bf16_pipeline.rs
@7380bd56, whose test vectors equal Phoenix silicon; register encodings: aie_api aie_types.hpp@2a408059.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import DTypeLike, NDArray

Bits16 = NDArray[np.uint16]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FRACTION = 23  # bits below the leading place that survive the alignment of a term
NO_MATTER = 40  # a shift that leaves nothing of a term of 25 bits
TERMS = 8  # products that one bfloat16 matrix instruction sums per lane


class Rounding(IntEnum):
    """The rounding register; FLOOR after a reset."""

    FLOOR = 0
    CEIL = 1
    SYMMETRIC_FLOOR = 2
    SYMMETRIC_CEIL = 3
    NEGATIVE_INF = 8
    POSITIVE_INF = 9
    SYMMETRIC_ZERO = 10
    SYMMETRIC_INF = 11
    CONV_EVEN = 12
    CONV_ODD = 13


class Saturation(IntEnum):
    """The saturation register; NONE after a reset, when what does not fit wraps."""

    NONE = 0
    SATURATE = 1
    SYMMETRIC = 3


def _rounds_up(mode: Rounding, guard: Bools, sticky: Bools, odd: Bools, down: Bools) -> Bools:
    """Whether one is added to what was kept; ``down`` marks where that moves the value away from what floor means.

    For integers ``down`` is "negative": adding one moves towards zero. For floats one is added to the magnitude, and
    ``down`` is "positive".
    """
    lost = guard | sticky
    nothing = np.zeros_like(guard)
    table: dict[Rounding, Bools] = {
        Rounding.FLOOR: nothing,
        Rounding.CEIL: lost,
        Rounding.SYMMETRIC_FLOOR: lost & down,
        Rounding.SYMMETRIC_CEIL: lost & ~down,
        Rounding.NEGATIVE_INF: guard & sticky,
        Rounding.POSITIVE_INF: guard,
        Rounding.SYMMETRIC_ZERO: guard & (sticky | down),
        Rounding.SYMMETRIC_INF: guard & (sticky | ~down),
        Rounding.CONV_EVEN: guard & (sticky | odd),
        Rounding.CONV_ODD: guard & (sticky | ~odd),
    }
    return table[mode]


def shift_round_saturate(
    acc: NDArray[np.integer],
    shift: int,
    to: DTypeLike,
    rounding: Rounding = Rounding.FLOOR,
    saturation: Saturation = Saturation.NONE,
) -> NDArray[np.integer]:
    """``acc >> shift`` as the integer type ``to``, for 0 <= shift < 64 and accumulators of any width up to 64 bits."""
    exact = acc.astype(object)
    kept = np.array([value >> shift for value in exact.ravel()], dtype=object).reshape(exact.shape)
    lost = exact - kept * 2**shift
    half = 2**shift // 2
    guard = np.asarray((lost >= half) if shift else lost > 0, dtype=bool)
    sticky = np.asarray(lost - guard * half > 0, dtype=bool)
    up = _rounds_up(rounding, guard, sticky, np.asarray(kept % 2 == 1, dtype=bool), np.asarray(acc < 0))
    rounded = kept + up
    info = np.iinfo(np.dtype(to))
    if saturation is not Saturation.NONE:
        low = -info.max if saturation is Saturation.SYMMETRIC and info.min < 0 else info.min
        rounded = np.minimum(np.maximum(rounded, low), info.max)
    wrapped = (rounded - int(info.min)) % 2**info.bits + int(info.min)
    return np.asarray(wrapped.astype(to))


def to_bfloat16(values: Floats, rounding: Rounding = Rounding.FLOOR) -> Bits16:
    """fp32 to bfloat16 bits. Infinities stay; a NaN keeps its upper bits, the lowest set if none is left."""
    bits = values.view(np.uint32).astype(np.int64)
    kept, lost = bits >> 16, bits & 0xFFFF
    positive = bits < 1 << 31
    guard, sticky, odd = lost >= 0x8000, lost % 0x8000 > 0, kept % 2 == 1
    mirrored = {  # on a magnitude, floor is "away from zero where negative", and so on
        Rounding.FLOOR: Rounding.SYMMETRIC_CEIL,
        Rounding.CEIL: Rounding.SYMMETRIC_FLOOR,
        Rounding.SYMMETRIC_FLOOR: Rounding.FLOOR,
        Rounding.SYMMETRIC_CEIL: Rounding.CEIL,
        Rounding.NEGATIVE_INF: Rounding.SYMMETRIC_INF,
        Rounding.POSITIVE_INF: Rounding.SYMMETRIC_ZERO,
        Rounding.SYMMETRIC_ZERO: Rounding.NEGATIVE_INF,
        Rounding.SYMMETRIC_INF: Rounding.POSITIVE_INF,
    }
    up = _rounds_up(mirrored.get(rounding, rounding), guard, sticky, odd, positive)
    special = bits >> 23 & 0xFF == 0xFF
    empty_nan = (bits & 0x7FFFFF > 0) & (kept & 0x7F == 0)
    return (kept + np.where(special, empty_nan, up)).astype(np.uint16)


def from_bfloat16(bits: Bits16) -> Floats:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _shift_to_even(value: Ints, shift: Ints) -> Ints:
    """value / 2^shift to the nearest integer, ties to even."""
    shift = np.minimum(shift, NO_MATTER)
    kept = value >> shift
    lost = 2 * (value - (kept << shift))
    unit = np.int64(1) << shift
    up = (lost > unit) | ((lost == unit) & (kept % 2 == 1))
    return np.asarray(kept + up, dtype=np.int64)


class _Terms:
    """Signed mantissas (23 bits below the place of the exponent) and biased exponents along a last axis."""

    def __init__(self, mantissa: Ints, exponent: Ints, nan: Bools, up: Bools, down: Bools) -> None:
        self.mantissa, self.exponent, self.nan, self.up, self.down = mantissa, exponent, nan, up, down

    @classmethod
    def floats(cls, values: Floats, negate: bool = False) -> _Terms:
        bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).astype(np.int64)
        negative = (bits >> 31 == 1) != negate
        exponent, fraction = bits >> 23 & 0xFF, bits & 0x7FFFFF
        magnitude = np.where(exponent > 0, fraction + (1 << FRACTION), fraction)
        infinite = (exponent == 0xFF) & (fraction == 0)
        return cls(
            np.where(negative, -magnitude, magnitude),
            np.where(magnitude > 0, np.maximum(exponent, 1) + 128, 0),
            (exponent == 0xFF) & (fraction > 0),
            infinite & ~negative,
            infinite & negative,
        )

    @classmethod
    def products(cls, a: Bits16, b: Bits16, negate: bool = False) -> _Terms:
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
        return cls(
            np.where(negative, -magnitude, magnitude),
            np.where(magnitude > 0, np.maximum(exponents[0], 1) + np.maximum(exponents[1], 1) + 1, 0),
            nan[0] | nan[1] | (infinite & (zero[0] | zero[1])),
            infinite & ~negative,
            infinite & negative,
        )

    def with_terms(self, other: _Terms) -> _Terms:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return _Terms(*(np.concatenate(pair, axis=-1) for pair in pairs))

    def total(self, signed_underflow: bool) -> Floats:
        """The fp32 sum; below the normal range it is +0, or a zero of the sum's sign."""
        top = self.exponent.max(axis=-1)
        aligned = np.where(self.exponent > 0, _shift_to_even(self.mantissa, top[..., None] - self.exponent), 0)
        total = aligned.sum(axis=-1)
        negative, magnitude = total < 0, np.abs(total)
        lead = np.frexp(magnitude.astype(np.float64))[1].astype(np.int64) - 1
        excess = lead - FRACTION
        mantissa = np.where(
            excess > 0, _shift_to_even(magnitude, np.maximum(excess, 0)), magnitude << np.maximum(-excess, 0)
        )
        exponent = top + lead - 151 + (mantissa >> (FRACTION + 1))  # 151: 23 fraction bits and the bias of 128
        fraction = np.where(mantissa >> (FRACTION + 1) > 0, mantissa >> 1, mantissa) & 0x7FFFFF
        up, down, nan_input = self.up.any(axis=-1), self.down.any(axis=-1), self.nan.any(axis=-1)
        nan = nan_input | (up & down)
        sign = np.where(negative, 1 << 31, 0)
        bits = sign | np.clip(exponent, 0, 255) << FRACTION | fraction
        bits = np.where(exponent >= 255, sign | 0x7F800000, bits)
        bits = np.where(exponent <= 0, sign if signed_underflow else 0, bits)
        bits = np.where(magnitude == 0, 0, bits)
        bits = np.where(up | down, np.where(down, 0xFF800000, 0x7F800000), bits)
        payload = nan_input & (magnitude > 0) & (exponent > 0) & (exponent < 255)
        bits = np.where(nan, sign | 0x7F800001 | np.where(payload, fraction, 0), bits)
        return bits.astype(np.uint32).view(np.float32)


def mac(acc: Floats, a: Bits16, b: Bits16, subtract: bool = False) -> Floats:
    """acc +- sum(a * b) over the last axis of a and b as one instruction: acc [...], a and b [..., 1 to 8]."""
    products = _Terms.products(a, b, subtract)
    acc = np.ascontiguousarray(acc, dtype=np.float32)
    result = products.with_terms(_Terms.floats(acc[..., None])).total(signed_underflow=False)
    passes = np.isnan(acc) & ~products.nan.any(axis=-1) & (products.mantissa == 0).all(axis=-1)
    return np.where(passes, acc.view(np.uint32), result.view(np.uint32)).view(np.float32)


def add(a: Floats, b: Floats, subtract: bool = False) -> Floats:
    """a +- b on the accumulator adder, element by element."""
    a, b = np.broadcast_arrays(np.asarray(a, np.float32), np.asarray(b, np.float32))
    return _Terms.floats(a[..., None]).with_terms(_Terms.floats(b[..., None], subtract)).total(signed_underflow=True)


def matmul(a: Bits16, b: Bits16, acc: Floats) -> Floats:
    """acc + a @ b, eight products at a time along K: a [M, K], b [K, N], acc [M, N]; K a multiple of 8."""
    for k in range(0, a.shape[1], TERMS):
        rows, columns = np.broadcast_arrays(a[:, None, k : k + TERMS], b.T[None, :, k : k + TERMS])
        acc = mac(acc, rows, columns)
    return acc


def matmul_integers(a: NDArray[np.integer], b: NDArray[np.integer], acc: NDArray[np.integer]) -> NDArray[np.integer]:
    """acc + a @ b, wrapping in the type of the accumulator (int32 or int64)."""
    exact = acc.astype(object) + a.astype(object) @ b.astype(object)
    info = np.iinfo(acc.dtype)
    return ((exact - int(info.min)) % 2**info.bits + int(info.min)).astype(acc.dtype)  # type: ignore[no-any-return]


def bfloat16_order(bits: Bits16) -> NDArray[np.float64]:
    """A key that sorts bfloat16 as AIE2 compares them: -0 below +0; NaN becomes NaN, which no comparison holds for."""
    magnitude = (bits & 0x7FFF).astype(np.float64)
    key = np.where(bits >> 15 == 1, -1 - magnitude, magnitude)
    return np.where(magnitude > 0x7F80, np.nan, key)


def bfloat16_max(a: Bits16, b: Bits16) -> Bits16:
    return np.where(bfloat16_order(a) < bfloat16_order(b), b, a)


def bfloat16_min(a: Bits16, b: Bits16) -> Bits16:
    return np.where(bfloat16_order(a) >= bfloat16_order(b), b, a)
