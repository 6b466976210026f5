"""Narrowing, widening, shifts and integer products of the host's vector library against the numpy model, to the bit."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from kernels.host.numerics import Rounding, Saturation
from tests.kernels.host import arithmetic
from tests.kernels.host.conftest import Probes

few = settings(max_examples=12)  # of sixteen lanes or more each, and in three builds
MODES = list(itertools.product(Rounding, Saturation))
INT64_EDGES = [
    0,
    1,
    -1,
    2**63 - 1,
    -(2**63),
    2**31 - 1,
    -(2**31),
    2**15 << 4,
    -(2**15) << 4,
    127 << 4,
    -129 << 4,
    8,
    -8,
]
NARROW = [("acc32", bits, sign) for bits, sign in itertools.product((8, 16), ("", "u"))]
NARROW += [("acc64", bits, sign) for bits, sign in itertools.product((8, 16, 32), ("", "u"))]


def lanes(dtype: Any, count: int = 16) -> st.SearchStrategy[NDArray[Any]]:
    """Return a strategy for arrays whose elements are often near a power of two or an end of the range."""
    info = np.iinfo(dtype)
    powers = st.builds(lambda power, step: (1 << power) + step, st.integers(0, info.bits - 2), st.integers(-2, 2))
    signed = st.tuples(powers, st.booleans()).map(lambda pair: -pair[0] if pair[1] and info.min < 0 else pair[0])
    ends = st.sampled_from([int(info.min), int(info.max), 0])
    elements = st.one_of(signed, ends, st.integers(int(info.min), int(info.max)))
    return arrays(dtype, count, elements=elements.map(lambda value: max(int(info.min), min(int(info.max), value))))


@pytest.mark.parametrize(("tag", "bits", "sign"), NARROW, ids=[f"{t}-{s}int{b}" for t, b, s in NARROW])
@few
@given(data=st.data(), mode=st.sampled_from(MODES))
def test_narrowing_rounds_and_saturates_by_the_registers(
    probes: Probes, tag: str, bits: int, sign: str, data: st.DataObject, mode: tuple[Rounding, Saturation]
) -> None:
    wide = np.dtype(np.int32 if tag == "acc32" else np.int64)
    narrow = np.dtype(f"{sign}int{bits}")
    acc = data.draw(lanes(wide))
    shift = data.draw(st.integers(0, wide.itemsize * 8 - 1))
    probes.modes(*mode)
    got = probes(f"narrow_{tag}_{narrow.name}", [acc], np.zeros(16, narrow), integers=(shift,))
    np.testing.assert_array_equal(got, arithmetic.shift_round_saturate(acc.astype(np.int64), shift, narrow, *mode))


@pytest.mark.parametrize("mode", MODES, ids=[f"{r.name}-{s.name}" for r, s in MODES])
def test_every_pair_of_modes_on_every_kind_of_remainder(probes: Probes, mode: tuple[Rounding, Saturation]) -> None:
    acc = np.array([*range(-40, 41), *INT64_EDGES, 0, 0], np.int64)  # shift 4: every guard, sticky, odd and sign
    expected = arithmetic.shift_round_saturate(acc, 4, np.int16, *mode)
    probes.modes(*mode)
    got = [probes("narrow_acc64_int16", [part], np.zeros(16, np.int16), integers=(4,)) for part in acc.reshape(-1, 16)]
    np.testing.assert_array_equal(np.concatenate(got), expected)


def test_the_model_rounds_as_the_modes_are_named() -> None:
    halves = np.array([-7, -6, -5, -3, -2, -1, 0, 1, 2, 3, 5, 6, 7], np.int64)  # of 4
    expected = {
        Rounding.FLOOR: np.floor(halves / 4),
        Rounding.CEIL: np.ceil(halves / 4),
        Rounding.NEGATIVE_INF: np.ceil(halves / 4 - 0.5),
        Rounding.POSITIVE_INF: np.floor(halves / 4 + 0.5),
        Rounding.SYMMETRIC_FLOOR: np.trunc(halves / 4),
        Rounding.SYMMETRIC_CEIL: np.sign(halves) * np.ceil(np.abs(halves) / 4),
        Rounding.SYMMETRIC_ZERO: np.sign(halves) * np.ceil(np.abs(halves) / 4 - 0.5),
        Rounding.SYMMETRIC_INF: np.sign(halves) * np.floor(np.abs(halves) / 4 + 0.5),
        Rounding.CONV_EVEN: np.round(halves / 4),
        Rounding.CONV_ODD: np.round(halves / 4 - 1) + 1,
    }
    for mode, values in expected.items():
        np.testing.assert_array_equal(arithmetic.shift_round_saturate(halves, 2, np.int16, mode), values, mode.name)


@few
@given(data=st.data(), shift=st.integers(0, 16))
def test_widening_shifts_up(probes: Probes, data: st.DataObject, shift: int) -> None:
    v = data.draw(lanes(np.int16))
    probes.modes(Rounding.FLOOR)
    got = probes("widen_int16", [v], np.zeros(16, np.int32), integers=(shift,))
    np.testing.assert_array_equal(got, (v.astype(np.int64) << shift).astype(np.int32))


@pytest.mark.parametrize("name", ["downshift_int32", "downshift_int8", "upshift_int16"])
@few
@given(data=st.data(), mode=st.sampled_from(MODES), n=st.integers(0, 7))
def test_shifts(probes: Probes, name: str, data: st.DataObject, mode: tuple[Rounding, Saturation], n: int) -> None:
    dtype = np.dtype(name.split("_")[1])
    v = data.draw(lanes(dtype, 16 if dtype == np.int32 else 32))
    probes.modes(*mode)
    got = probes(name, [v], np.zeros_like(v), integers=(n,))
    up, down = (n, 0) if name.startswith("up") else (0, n)
    wide = np.asarray(v.astype(np.int64) << np.int64(up), np.int64)
    np.testing.assert_array_equal(got, arithmetic.shift_round_saturate(wide, down, dtype, Rounding.FLOOR, mode[1]))


@few
@given(a=lanes(np.int8, 32), b=lanes(np.int8, 64), c=lanes(np.int32, 32))
def test_int8_tile_product_wraps_in_32_bits(probes: Probes, a: Any, b: Any, c: Any) -> None:
    expected = arithmetic.matmul_integers(a.reshape(4, 8), b.reshape(8, 8), c.reshape(4, 8))
    np.testing.assert_array_equal(probes("mmul_int8", [a, b], c).reshape(4, 8), expected)


@few
@given(a=lanes(np.int16), b=lanes(np.int16), c=lanes(np.int32), shift=st.integers(0, 31), mode=st.sampled_from(MODES))
def test_int16_tile_product_keeps_64_bits(
    probes: Probes, a: Any, b: Any, c: Any, shift: int, mode: tuple[Rounding, Saturation]
) -> None:
    wide = c.astype(np.int64).reshape(4, 4) << shift
    exact = arithmetic.matmul_integers(a.reshape(4, 4), b.reshape(4, 4), wide)
    probes.modes(*mode)
    got = probes("mmul_int16", [a, b, c], np.zeros(16, np.int32), integers=(shift,))
    np.testing.assert_array_equal(got.reshape(4, 4), arithmetic.shift_round_saturate(exact, shift, np.int32, *mode))


@few
@given(a=lanes(np.int16, 8), b=lanes(np.int16))
def test_int16_tile_product_of_two_wraps_in_32_bits(probes: Probes, a: Any, b: Any) -> None:
    expected = arithmetic.matmul_integers(a.reshape(4, 2), b.reshape(2, 8), np.zeros((4, 8), np.int32))
    np.testing.assert_array_equal(probes("mmul_int16_acc32", [a, b], np.zeros(32, np.int32)).reshape(4, 8), expected)


@few
@given(acc=lanes(np.int32), a=lanes(np.int16), b=lanes(np.int16))
def test_element_products(probes: Probes, acc: Any, a: Any, b: Any) -> None:
    probes.modes(Rounding.FLOOR)
    added, taken, halved, negated = probes("mac_int16", [acc, a, b], np.zeros(64, np.int32)).reshape(4, 16)
    product = a.astype(np.int64) * b
    np.testing.assert_array_equal(added, (acc + product).astype(np.int32))
    np.testing.assert_array_equal(taken, (acc - product).astype(np.int32))
    np.testing.assert_array_equal(halved, product >> 1)
    np.testing.assert_array_equal(negated, -product)


@few
@given(a=lanes(np.int16), b=lanes(np.int16))
def test_bits_and_sums_wrap(probes: Probes, a: Any, b: Any) -> None:
    got = probes("bits", [a, b], np.zeros(128, np.int16)).reshape(8, 16)
    with np.errstate(over="ignore"):
        expected = np.array([a & b, a | b, a ^ b, ~a, a + b, a - b, -a, np.abs(a)])
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("dtype", "count"), [(np.int8, 16), (np.int8, 64), (np.int16, 32), (np.int32, 16), (np.int32, 32)]
)
@few
@given(data=st.data(), saturation=st.sampled_from(Saturation))
def test_reductions(probes: Probes, dtype: Any, count: int, data: st.DataObject, saturation: Saturation) -> None:
    v = data.draw(lanes(dtype, count))
    probes.modes(Rounding.FLOOR, saturation)
    total, most, least = probes(f"reduce_{np.dtype(dtype).name}_{count}", [v], np.zeros(4, dtype))[:3]
    assert (most, least) == (v.max(), v.min())
    if dtype is np.int32:
        assert total == v.astype(np.int64).sum().astype(np.int32)
    else:  # halves wrap down to a register of 16 or 8 lanes, whose exact sum saturates
        while v.size > (16 if dtype is np.int8 else 8):
            with np.errstate(over="ignore"):
                v = v[: v.size // 2] + v[v.size // 2 :]
        exact = np.array([v.astype(np.int64).sum()])
        assert total == arithmetic.shift_round_saturate(exact, 0, dtype, saturation=saturation)[0]
