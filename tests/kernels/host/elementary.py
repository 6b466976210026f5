"""Reductions, reciprocals and conversions of AIE2's vector library in numpy, composed of the rules of ``arithmetic``.

bfloat16 values are uint16 bits; conversions to bfloat16 follow the rounding register, an argument here. Sources:
aie_api detail/aie2/{elementary,add_reduce}.hpp@2a408059; the exponential's tables: mlir-aie aie_runtime_lib/AIE2/
lut_based_ops.h@979629649.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.host import numerics
from kernels.host.numerics import Bits16, Floats, Rounding, Saturation
from tests.kernels.host import arithmetic

ONE = 0x3F80  # bfloat16
# The upper halves of 1.0078125 * 2^23 and 2^39: an integer added to their bits adds it to the value times 1 and 2^16.
LOW, HIGH = 0x4B01, 0x5301
BELOW_ONE = 8  # bits of an exponential's argument below the point


def constant(value: float) -> Bits16:
    """Return the bfloat16 nearest to a Python float, ties to even, as the compiler rounds a literal."""
    return numerics.to_bfloat16(np.array([value], np.float32), Rounding.CONV_EVEN)


def multiply(a: Bits16, b: Bits16, rounding: Rounding, subtract: bool = False, start: float = 0.0) -> Bits16:
    """Return bfloat16(start + a * b), or with ``subtract`` bfloat16(start - a * b), element by element."""
    a, b = np.broadcast_arrays(a, b)
    acc = np.full(a.shape, start, np.float32)
    return numerics.to_bfloat16(arithmetic.mac(acc, a[..., None], b[..., None], subtract), rounding)


def inv(v: Bits16, rounding: Rounding) -> Bits16:
    """Return 1 / v as AIE2 computes it: a guess on the bits and a Newton step."""
    guess = (0x7EB5 - v.astype(np.int64)).astype(np.uint16)
    product = arithmetic.mac(np.zeros(v.shape, np.float32), v[..., None], guess[..., None], subtract=True)
    first = numerics.to_bfloat16(numerics.add(product, np.array(1.436142, np.float32)), rounding)
    scaled = multiply(first, guess, rounding)
    minus = multiply(scaled, constant(1.9395974), rounding, subtract=True)
    residual = multiply(minus, v, rounding, start=2.0)
    return multiply(minus, residual, rounding, subtract=True)


def invsqrt(v: Bits16, rounding: Rounding, saturation: Saturation = Saturation.NONE) -> Bits16:
    """Return 1 / sqrt(v) as AIE2 computes it, by a guess on the bits and a Newton step.

    The halving in the guess follows the rounding register.
    """
    c2, c3 = np.float32(0.703952253), np.float32(2.38924456)
    half = multiply(v, constant(float(c2)), rounding)
    bits = arithmetic.from_bfloat16(v).view(np.int32).astype(np.int64)
    halved = arithmetic.shift_round_saturate(bits, 1, np.int32, rounding, saturation)
    guess = (0x5F1FFFF9 - halved.astype(np.int64)).astype(np.uint32).view(np.float32)
    y = numerics.to_bfloat16(guess, rounding)
    square = multiply(y, y, rounding)
    return multiply(y, multiply(half, square, rounding, subtract=True, start=float(c2 * c3)), rounding)


def _magic(upper: int, shift: int) -> Floats:
    return np.array([(upper - 128 * shift) << 16], np.uint32).view(np.float32)


def _plus_bits(magic: Floats, value: NDArray[np.int64]) -> Floats:
    return (magic.view(np.uint32).astype(np.int64) + value).astype(np.uint32).view(np.float32)


def _minus_bits(value: Floats, magic: Floats) -> NDArray[np.int64]:
    difference = value.view(np.uint32).astype(np.int64) - magic.view(np.uint32)
    return np.asarray((difference + 2**31) % 2**32 - 2**31, np.int64)


def to_float(v: NDArray[np.integer], shift: int = 0) -> Floats:
    """Return v * 2^-shift as fp32, rounded to nearest even."""
    low, high = _magic(LOW, shift), _magic(HIGH, shift)
    wide = v.astype(np.int64)
    if v.dtype.itemsize < 4:
        return numerics.add(_plus_bits(low, wide), low, subtract=True)
    upper = numerics.add(_plus_bits(high, wide >> 16), high, subtract=True)
    return numerics.add(numerics.add(_plus_bits(low, wide & 0xFFFF), low, subtract=True), upper)


def to_fixed(v: Floats, to: np.dtype[np.signedinteger], shift: int = 0) -> NDArray[np.integer]:
    """Return v * 2^shift as a signed integer, rounded to nearest even and saturated where AIE2's steps reach it."""
    low, high = _magic(LOW, shift), _magic(HIGH, shift)
    if to.itemsize < 4:
        units = _minus_bits(numerics.add(v, low), low)
        return arithmetic.shift_round_saturate(units, 0, to, saturation=Saturation.SATURATE)
    upper = np.clip(_minus_bits(numerics.add(v, high), high), -(2**15), 2**15 - 1)
    rest = numerics.add(v, numerics.add(_plus_bits(high, upper), high, subtract=True), subtract=True)
    units = _minus_bits(numerics.add(rest, low), low)
    negated = (-units + 2**31) % 2**32 - 2**31  # the accumulator's negation wraps
    lower = np.clip(units, 0, 2**16 - 1) - np.clip(negated, 0, 2**16 - 1)
    return arithmetic.shift_round_saturate(upper * 2**16 + lower, 0, to, saturation=Saturation.SATURATE)


def sum_floats(v: Floats) -> np.float32:
    """Return reduce_add of a float vector: lane i and lane i + half are added, until one is left."""
    while v.size > 1:
        v = numerics.add(v[: v.size // 2], v[v.size // 2 :])
    return np.float32(v[0])


def sum_bfloat16(v: Bits16, rounding: Rounding) -> np.uint16:
    """Return reduce_add of a bfloat16 vector of 8 lanes or more: exact sums of rows of eight, which are then added."""
    rows = np.zeros((max(4, v.size // 8), 8), np.uint16)
    rows[: v.size // 8] = v.reshape(-1, 8)
    ones = np.full((8, 1), ONE, np.uint16)
    acc = np.zeros((4, 1), np.float32)
    for block in rows.reshape(-1, 4, 8):
        acc = arithmetic.matmul(block, ones, acc)
    sums = acc[:, 0]
    if v.size > 16:
        sums = numerics.add(sums[:2], sums[2:])
    if v.size > 8:
        sums = numerics.add(sums[:1], sums[1:2])
    return np.uint16(numerics.to_bfloat16(sums[:1], rounding)[0])


def exp_lookup(v: Bits16) -> Floats:
    """Return e^v as fp32: bfloat16(e^integer part) times bfloat16(e^fraction part), from two tables.

    The tables are those of mlir-aie's getExpBf16, computed here and not copied; their integer part saturates at e^88.
    The relative error is -0.84 % to +0.63 %, and arguments below -128 wrap round to huge results.
    """
    scaled = np.floor(arithmetic.from_bfloat16(v).astype(np.float64) * 2**BELOW_ONE)
    index = np.clip(scaled, -(2.0**31), 2.0**31 - 1).astype(np.int64) & 0xFFFF
    whole = np.arange(256)
    exponents = np.minimum(np.where(whole < 128, whole, whole - 256), 88)
    integers = numerics.to_bfloat16(np.exp(exponents.astype(np.float64)).astype(np.float32), Rounding.CONV_EVEN)
    fractions = numerics.to_bfloat16(np.exp(whole / 256).astype(np.float32), Rounding.CONV_EVEN)
    a, b = integers[index >> BELOW_ONE], fractions[index & 0xFF]
    return arithmetic.mac(np.zeros(v.shape, np.float32), a[..., None], b[..., None])
