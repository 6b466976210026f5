"""bfloat16 and fp32 of the host's vector library against the numpy model, to the bit; the model against exact sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from kernels.host import numerics
from kernels.host.numerics import Rounding
from tests.kernels.host import arithmetic, elementary
from tests.kernels.host.conftest import Probes

few = settings(max_examples=12)  # of sixteen lanes or more each, and in three builds
# -0, denormals, the ends of the normal range, infinities, NaN (quiet, signalling, negative), one and its neighbours
EDGES16 = [0, 0x8000, 1, 0x807F, 0x80, 0x8080, 0x7F7F, 0xFF7F, 0x7F80, 0xFF80, 0x7FC0, 0x7F81, 0xFFA5, 0x3F80, 0xBF80]
EDGES32 = [edge << 16 for edge in EDGES16] + [1, 0x807FFFFF, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800001, 0x3F808000, 0xBF818000]


def near(base: int, exponents: int, bits: int) -> st.SearchStrategy[int]:
    """Return a strategy for the bits of floats of either sign, within 2^-exponents to 2^exponents of 1.

    Their sums need rounding. ``bits`` is 16 or 32.
    """
    fraction = bits - 9
    exponent = st.integers(base - exponents, base + exponents)
    return st.builds(
        lambda sign, e, f: sign << (bits - 1) | e << fraction | f,
        st.integers(0, 1),
        exponent,
        st.integers(0, 2**fraction - 1),
    )


def bfloat16s(count: int = 16, edges: bool = True) -> st.SearchStrategy[NDArray[Any]]:
    ordinary = near(127, 14, 16)
    return arrays(np.uint16, count, elements=st.one_of(ordinary, st.sampled_from(EDGES16)) if edges else ordinary)


def fp32s(count: int = 16, edges: bool = True) -> st.SearchStrategy[NDArray[Any]]:
    ordinary = near(127, 26, 32)
    elements = st.one_of(ordinary, st.sampled_from(EDGES32)) if edges else ordinary
    return arrays(np.uint32, count, elements=elements).map(lambda bits: bits.view(np.float32))


def assert_same_bits(got: NDArray[Any], expected: NDArray[Any]) -> None:
    raw = np.uint32 if expected.dtype.itemsize == 4 else np.uint16
    np.testing.assert_array_equal(got.view(raw), expected.view(raw))


def floats(count: int = 16) -> NDArray[np.float32]:
    return np.zeros(count, np.float32)


@few
@given(v=fp32s(), mode=st.sampled_from(Rounding))
def test_narrowing_to_bfloat16_follows_the_rounding_register(probes: Probes, v: Any, mode: Rounding) -> None:
    probes.modes(mode)
    assert_same_bits(probes("to_bfloat16", [v], np.zeros(16, np.uint16)), numerics.to_bfloat16(v, mode))


@pytest.mark.parametrize("mode", Rounding)
def test_narrowing_every_kind_of_remainder(probes: Probes, mode: Rounding) -> None:
    lost = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    kept = np.array([0, 0x3F80, 0x3F81, 0x7F7F, 0x7F80, 0x7FC0, 0x007F], np.uint32)
    bits = (np.array([[0], [1 << 31]], np.uint32) | ((kept[:, None] << 16) | lost).ravel()).ravel()
    bits = np.concatenate([bits, np.zeros(-len(bits) % 16, np.uint32)])
    probes.modes(mode)
    got = [probes("to_bfloat16", [part], np.zeros(16, np.uint16)) for part in bits.reshape(-1, 16)]
    assert_same_bits(np.concatenate(got), numerics.to_bfloat16(bits.view(np.float32), mode))


def test_the_model_narrows_as_the_modes_are_named() -> None:
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-10, -1 - 2**-8, -1 - 3 * 2**-8, -1 - 2**-10], np.float32)
    down, up = 2.0**-7 * np.floor(values * 2.0**7), 2.0**-7 * np.ceil(values * 2.0**7)
    expected = {
        Rounding.FLOOR: down,
        Rounding.CEIL: up,
        Rounding.SYMMETRIC_FLOOR: np.where(values > 0, down, up),
        Rounding.SYMMETRIC_CEIL: np.where(values > 0, up, down),
        Rounding.CONV_EVEN: 2.0**-7 * np.round(values * 2.0**7),
    }
    for mode, want in expected.items():
        got = arithmetic.from_bfloat16(numerics.to_bfloat16(values, mode))
        np.testing.assert_array_equal(got, want, mode.name)


@pytest.mark.parametrize(
    ("name", "count"), [("mac_16", 16), ("mac_8", 8), ("mac_32", 32), ("msc_16", 16), ("mul_16", 16), ("negmul_16", 16)]
)
@few
@given(data=st.data())
def test_element_products(probes: Probes, name: str, count: int, data: st.DataObject) -> None:
    a, b, acc = data.draw(bfloat16s(count)), data.draw(bfloat16s(count)), data.draw(fp32s(count))
    start = floats(count) if "mul" in name else acc
    expected = arithmetic.mac(start, a[:, None], b[:, None], subtract=name.startswith(("msc", "neg")))
    assert_same_bits(probes(name, [acc, a, b], floats(count)), expected)


@few
@given(a=bfloat16s(), b=bfloat16s(), acc=fp32s())
def test_products_with_a_scalar(probes: Probes, a: Any, b: Any, acc: Any) -> None:
    first = np.full((16, 1), a[0])
    assert_same_bits(probes("mac_scalar_16", [acc, a, b], floats()), arithmetic.mac(acc, first, b[:, None]))
    last = np.full((16, 1), b[0])
    assert_same_bits(probes("mul_scalar_16", [acc, a, b], floats()), arithmetic.mac(floats(), a[:, None], last))


@few
@given(a=fp32s(), b=fp32s(), v=bfloat16s(), mode=st.sampled_from(Rounding))
def test_sums(probes: Probes, a: Any, b: Any, v: Any, mode: Rounding) -> None:
    probes.modes(mode)  # matters to bfloat16 vectors only
    wide = arithmetic.from_bfloat16(v)
    assert_same_bits(probes("add_accums", [a, b], floats()), numerics.add(a, b))
    assert_same_bits(probes("sub_floats", [a, b], floats()), numerics.add(a, b, subtract=True))
    assert_same_bits(probes("add_vector_16", [a, v, v], floats()), numerics.add(a, wide))
    assert_same_bits(probes("sub_vector_16", [a, v, v], floats()), numerics.add(a, wide, subtract=True))
    pair = np.concatenate([v, v[::-1]])
    narrow = numerics.to_bfloat16(
        numerics.add(arithmetic.from_bfloat16(pair), arithmetic.from_bfloat16(pair[::-1])), mode
    )
    assert_same_bits(probes("add_bfloat16", [pair, pair[::-1]], np.zeros(32, np.uint16)), narrow)


@few
@given(data=st.data(), steps=st.integers(1, 4), edges=st.booleans())
def test_tile_products_are_fused_over_eight_and_chained_over_k(
    probes: Probes, data: st.DataObject, steps: int, edges: bool
) -> None:
    a, b = data.draw(bfloat16s(32 * steps, edges)), data.draw(bfloat16s(32 * steps, edges))
    c = data.draw(fp32s(16, edges))
    rows = a.reshape(steps, 4, 8).transpose(1, 0, 2).reshape(4, 8 * steps)
    expected = arithmetic.matmul(rows, b.reshape(8 * steps, 4), c.reshape(4, 4))
    assert_same_bits(probes("mmul_bfloat16", [a, b], c, integers=(steps,)).reshape(4, 4), expected)


@few
@given(a=bfloat16s(32), b=bfloat16s(32), c=fp32s())
def test_a_tile_product_may_start_from_nothing(probes: Probes, a: Any, b: Any, c: Any) -> None:
    expected = arithmetic.matmul(a.reshape(4, 8), b.reshape(8, 4), np.zeros((4, 4), np.float32))
    assert_same_bits(probes("mmul_bfloat16", [a, b], c, integers=(-1,)).reshape(4, 4), expected)


def test_the_model_is_exact_where_nothing_is_lost_and_near_otherwise() -> None:
    rng = np.random.default_rng(3)
    whole = rng.integers(-64, 64, (2, 40, 8)).astype(np.float32)
    a, b = (numerics.to_bfloat16(x) for x in whole)
    np.testing.assert_array_equal(arithmetic.mac(floats(40), a, b), (whole[0] * whole[1]).sum(axis=-1))
    a, b = (numerics.to_bfloat16(x) for x in rng.normal(size=(2, 4000, 8)).astype(np.float32))
    acc = rng.normal(size=4000).astype(np.float32)
    products = arithmetic.from_bfloat16(a).astype(np.float64) * arithmetic.from_bfloat16(b)
    exact = acc + products.sum(axis=-1)
    unit = np.spacing(np.maximum(np.abs(acc), np.abs(products).max(axis=-1)).astype(np.float32)).astype(np.float64)
    error = np.abs(arithmetic.mac(acc, a, b) - exact) / np.maximum(unit, np.spacing(np.abs(exact).astype(np.float32)))
    assert error.max() <= 5.5  # nine terms off by half a unit of the largest each, and the result by half


@pytest.mark.parametrize(("last", "expected"), [((137, 142), 0x00800000), ((136, 143), 0)], ids=["half way", "below"])
def test_the_edge_of_the_normal_range(probes: Probes, last: tuple[int, int], expected: int) -> None:
    """Four products whose exact sum is half a unit below 2^-126, which rounds to 2^-126; three units less is zero."""
    mantissas = [(255, 255, 62, 63), (128, 149, 62, 63), (187, 251, 62, 63), (*last, 58, 58)]
    a, b = np.zeros((4, 8), np.uint16), np.zeros((8, 4), np.uint16)
    for k, (left, right, left_exponent, right_exponent) in enumerate(mantissas):
        a[0, k], b[k, 0] = left_exponent << 7 | left & 127, right_exponent << 7 | right & 127
    a[1] = a[0] ^ 0x8000
    assert arithmetic.mac(floats(1), a[:1], b.T[:1]).view(np.uint32) == expected
    got = probes("mmul_bfloat16", [a, b], floats(), integers=(1,)).view(np.uint32).reshape(4, 4)
    assert (got[0, 0], got[1, 0]) == (expected, expected and expected | 1 << 31)


def test_known_sums_of_the_datapath() -> None:
    """Values stated for silicon in xdna-emu's unit tests (bf16_pipeline.rs, vector_float.rs@7380bd56)."""
    a = np.array([[0xEBD7, 0xB13B, 0x4F6C, 0x8D21, 0x6080, 0x39C6, 0x107E, 0xD6A6]], np.uint16)
    b = np.array([[0x0802, 0x7B38, 0x6983, 0x2273, 0x33A8, 0x1130, 0xE493, 0x18EC]], np.uint16)
    assert arithmetic.mac(floats(1), a, b).view(np.uint32) == 0x797187FF
    pair = np.array([0x80520000, 0x807E0000], np.uint32).view(np.float32)
    assert numerics.add(pair[:1], pair[1:]).view(np.uint32) == 0x80D00000
    tiny = np.full((1, 8), 0x0080, np.uint16)
    assert arithmetic.mac(floats(1), tiny, tiny).view(np.uint32) == 0
    infinity_times_zero = arithmetic.mac(floats(1), np.array([[0x7F80]], np.uint16), np.array([[0]], np.uint16))
    assert infinity_times_zero.view(np.uint32) == 0x7F800001


@few
@given(a=bfloat16s(32), b=bfloat16s(32))
def test_bfloat16_comparisons(probes: Probes, a: Any, b: Any) -> None:
    zeros = (np.zeros(6 * 32, np.uint8), np.zeros(3 * 32, np.uint16))
    flags, extremes = probes("compare_bfloat16", [a, b], *zeros)
    flags, extremes = flags.reshape(6, 32).astype(bool), extremes.reshape(3, 32)
    left, right = (numerics.to_bfloat16(numerics.add(arithmetic.from_bfloat16(v), floats(32))) for v in (a, b))
    x, y = arithmetic.bfloat16_order(left), arithmetic.bfloat16_order(b)
    equal = (x >= y) & (arithmetic.bfloat16_order(right) >= arithmetic.bfloat16_order(a))
    differ = (x < y) | (arithmetic.bfloat16_order(right) < arithmetic.bfloat16_order(a))
    np.testing.assert_array_equal(flags, [x < y, x <= y, x > y, x >= y, equal, differ])
    expected = [arithmetic.bfloat16_max(a, b), arithmetic.bfloat16_min(a, b), np.where(x < y, b, a)]
    np.testing.assert_array_equal(extremes, expected)


@few
@given(v=bfloat16s())
def test_sign_bits(probes: Probes, v: Any) -> None:
    negated, magnitude = probes("neg_abs_bfloat16", [v], np.zeros(32, np.uint16)).reshape(2, 16)
    np.testing.assert_array_equal(negated, v ^ 0x8000)
    np.testing.assert_array_equal(magnitude, v & 0x7FFF)


@pytest.mark.parametrize("count", [8, 16, 32, 64])
@few
@given(data=st.data(), mode=st.sampled_from(Rounding))
def test_bfloat16_reductions(probes: Probes, count: int, data: st.DataObject, mode: Rounding) -> None:
    v = data.draw(bfloat16s(count))
    probes.modes(mode)
    total, most, least = probes(f"reduce_bfloat16_{count}", [v], np.zeros(4, np.uint16))[:3]
    assert total == elementary.sum_bfloat16(v, mode)
    for got, pick in ((most, arithmetic.bfloat16_max), (least, arithmetic.bfloat16_min)):
        rest = v[:32] if count <= 32 else pick(v[:32], v[32:])
        while rest.size > 1:
            rest = pick(rest[: rest.size // 2], rest[rest.size // 2 :])
        assert got == rest[0]


@pytest.mark.parametrize("count", [16, 32])
@few
@given(data=st.data())
def test_float_sums_fold_in_halves(probes: Probes, count: int, data: st.DataObject) -> None:
    v = data.draw(fp32s(count))
    got = probes(f"reduce_float_{count}", [v], floats(4))[:1]
    assert_same_bits(got, np.array([elementary.sum_floats(v)]))
