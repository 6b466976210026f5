"""Reciprocals, conversions and the tabled exponential: the host's vector library against the numpy model, and both
against what they approximate."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kernels.host import numerics
from kernels.host.numerics import Rounding, Saturation
from tests.kernels.host import arithmetic, elementary
from tests.kernels.host.conftest import Probes
from tests.kernels.host.test_floats import assert_same_bits, bfloat16s, few, floats, fp32s


@few
@given(v=bfloat16s(), mode=st.sampled_from(Rounding), saturation=st.sampled_from(Saturation))
def test_reciprocals(probes: Probes, v: Any, mode: Rounding, saturation: Saturation) -> None:
    probes.modes(mode, saturation)
    assert_same_bits(probes("inv_bfloat16", [v], np.zeros(16, np.uint16)), elementary.inv(v, mode))
    expected = elementary.invsqrt(v, mode, saturation)
    assert_same_bits(probes("invsqrt_bfloat16", [v], np.zeros(16, np.uint16)), expected)


def test_reciprocals_are_close() -> None:
    v = numerics.to_bfloat16(np.geomspace(1e-3, 1e3, 500).astype(np.float32))
    exact = arithmetic.from_bfloat16(v).astype(np.float64)
    inverse = arithmetic.from_bfloat16(elementary.inv(v, Rounding.CONV_EVEN)) * exact
    assert np.abs(inverse - 1).max() < 0.009
    root = arithmetic.from_bfloat16(elementary.invsqrt(v, Rounding.CONV_EVEN)) * np.sqrt(exact)
    assert np.abs(root - 1).max() < 0.009


@few
@given(data=st.data(), shift=st.integers(-4, 20))
def test_integers_to_floats_are_rounded_once_to_even(probes: Probes, data: st.DataObject, shift: int) -> None:
    wide = data.draw(arrays(np.int32, 16, elements=st.integers(-(2**31), 2**31 - 1)))
    narrow = data.draw(arrays(np.int16, 16, elements=st.integers(-(2**15), 2**15 - 1)))
    for v, name in ((wide, "to_float_int32"), (narrow, "to_float_int16")):
        got = probes(name, [v], floats(), integers=(shift,))
        assert_same_bits(got, elementary.to_float(v, shift))
        np.testing.assert_allclose(got, v * 2.0**-shift, rtol=2**-22)


@few
@given(data=st.data(), shift=st.integers(0, 8))
def test_floats_to_integers(probes: Probes, data: st.DataObject, shift: int) -> None:
    v = data.draw(fp32s(edges=False))
    for to, name in ((np.dtype(np.int32), "to_fixed_int32"), (np.dtype(np.int16), "to_fixed_int16")):
        got = probes(name, [v], np.zeros(16, to), integers=(shift,))
        np.testing.assert_array_equal(got, elementary.to_fixed(v, to, shift))
        inside = np.abs(v) < 2.0 ** (20 - shift)
        exact = np.clip(np.round(v.astype(np.float64) * 2**shift), np.iinfo(to).min, np.iinfo(to).max)
        np.testing.assert_array_equal(got[inside], exact[inside])


def test_the_saturation_register_survives_a_conversion(probes: Probes) -> None:
    probes.modes(Rounding.CONV_ODD, Saturation.SYMMETRIC)
    probes("to_fixed_int32", [floats()], np.zeros(16, np.int32), integers=(0,))
    assert probes.library.get_modes() == Rounding.CONV_ODD * 16 + Saturation.SYMMETRIC


def test_the_exponential_of_two_tables() -> None:
    every = np.arange(2**16).astype(np.uint16)
    values = arithmetic.from_bfloat16(every)
    x = every[(values >= -87) & (values <= 80)]
    exact = np.exp(arithmetic.from_bfloat16(x).astype(np.float64))
    error = elementary.exp_lookup(x) / exact - 1
    assert (round(100 * error.min(), 2), round(100 * error.max(), 2)) == (-0.84, 0.63)
    assert elementary.exp_lookup(np.zeros(1, np.uint16))[0] == 1.0
    assert elementary.exp_lookup(numerics.to_bfloat16(np.array([-129.0], np.float32)))[0] > 1e30  # wraps: clamp before
