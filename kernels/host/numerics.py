"""The float arithmetic of an AIE2 core in numpy: a second implementation of the rules that the C++ headers implement.

The code shares nothing with the headers: it is integer arithmetic on mantissas and exponents. bfloat16 values are
passed as uint16 bits, fp32 values as float32 arrays whose bits count (NaN payloads and the sign of zero included).

Sources: xdna-emu src/interpreter/execute/{vector_srs,vector_float,vector_compare}.rs and vector_matmul/bf16_pipeline.rs
@7380bd56, whose test vectors equal Phoenix silicon; register encodings: aie_api aie_types.hpp@2a408059.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Bits16 = NDArray[np.uint16]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FRACTION = 23  # bits below the leading place that survive the alignment of a term
MAX_SHIFT = 40  # enough to leave nothing of a term of 25 bits


class Rounding(IntEnum):
    """The rounding modes of an AIE2 core, as values of its rounding register; FLOOR is the mode after a reset."""

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
    """The saturation modes of an AIE2 core, as values of its saturation register.

    NONE is the mode after a reset: a value that does not fit wraps.
    """

    NONE = 0
    SATURATE = 1
    SYMMETRIC = 3


def rounds_up(mode: Rounding, guard: Bools, sticky: Bools, odd: Bools, down: Bools) -> Bools:
    """Return for each value whether rounding adds one to the bits that are kept, after lower bits were dropped.

    ``guard`` is the highest bit that is dropped, ``sticky`` whether any other dropped bit is set, ``odd`` whether the
    kept bits are odd. ``down`` is "the value is negative" for integers, for which adding one moves towards zero, and
    "the value is positive" for floats, for which one is added to the magnitude.
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


def to_bfloat16(values: Floats, rounding: Rounding = Rounding.FLOOR) -> Bits16:
    """Convert fp32 values to bfloat16 bits (uint16) of the same shape, with one of the core's rounding modes.

    Infinities stay; a NaN keeps its upper bits, with the lowest bit set if none is left.
    """
    bits = values.view(np.uint32).astype(np.int64)
    kept, lost = bits >> 16, bits & 0xFFFF
    positive = bits < 1 << 31
    guard, sticky, odd = lost >= 0x8000, lost % 0x8000 > 0, kept % 2 == 1
    mirrored = {  # on a magnitude, floor means "away from zero if negative", and so on
        Rounding.FLOOR: Rounding.SYMMETRIC_CEIL,
        Rounding.CEIL: Rounding.SYMMETRIC_FLOOR,
        Rounding.SYMMETRIC_FLOOR: Rounding.FLOOR,
        Rounding.SYMMETRIC_CEIL: Rounding.CEIL,
        Rounding.NEGATIVE_INF: Rounding.SYMMETRIC_INF,
        Rounding.POSITIVE_INF: Rounding.SYMMETRIC_ZERO,
        Rounding.SYMMETRIC_ZERO: Rounding.NEGATIVE_INF,
        Rounding.SYMMETRIC_INF: Rounding.POSITIVE_INF,
    }
    up = rounds_up(mirrored.get(rounding, rounding), guard, sticky, odd, positive)
    special = bits >> 23 & 0xFF == 0xFF
    empty_nan = (bits & 0x7FFFFF > 0) & (kept & 0x7F == 0)
    return (kept + np.where(special, empty_nan, up)).astype(np.uint16)


def _shift_to_even(value: Ints, shift: Ints) -> Ints:
    """Return value / 2^shift, rounded to the nearest integer, ties to even."""
    shift = np.minimum(shift, MAX_SHIFT)
    kept = value >> shift
    lost = 2 * (value - (kept << shift))
    unit = np.int64(1) << shift
    up = (lost > unit) | ((lost == unit) & (kept % 2 == 1))
    return np.asarray(kept + up, dtype=np.int64)


class Terms:
    """Numbers to be added along the last axis, split into mantissa and exponent for ``total``.

    ``mantissa`` is signed and has 23 bits below the leading place; ``exponent`` is fp32's biased exponent plus 128, and
    0 for a zero. ``nan``, ``up`` and ``down`` mark NaN, +infinity and -infinity.
    """

    def __init__(self, mantissa: Ints, exponent: Ints, nan: Bools, up: Bools, down: Bools) -> None:
        self.mantissa, self.exponent, self.nan, self.up, self.down = mantissa, exponent, nan, up, down

    @classmethod
    def floats(cls, values: Floats, negate: bool = False) -> Terms:
        """Return the terms that stand for fp32 values, or for their negatives if ``negate``."""
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

    def with_terms(self, other: Terms) -> Terms:
        """Return the terms of both sums together, joined along the last axis."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Terms(*(np.concatenate(pair, axis=-1) for pair in pairs))

    def total(self, signed_underflow: bool) -> Floats:
        """Return the sums along the last axis as AIE2's adder computes them, fp32.

        A sum below the normal range is +0, or with ``signed_underflow`` a zero of the sum's sign.
        """
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


def add(a: Floats, b: Floats, subtract: bool = False) -> Floats:
    """Return a + b, or a - b if ``subtract``, as AIE2's accumulator adder computes it: fp32, element by element."""
    a, b = np.broadcast_arrays(np.asarray(a, np.float32), np.asarray(b, np.float32))
    return Terms.floats(a[..., None]).with_terms(Terms.floats(b[..., None], subtract)).total(signed_underflow=True)
