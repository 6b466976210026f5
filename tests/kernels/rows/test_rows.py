from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.npu.attention_errors import norm_error, streams
from kernels.attention.accuracy import NORMALISED, table
from kernels.matmul.blocks import from_bf16, quantise_rows, to_bf16
from kernels.rows import reference
from kernels.rows.reference import Float64, call_quantise_kernels, call_row_kernels

SUM = 2.0**-16  # of the largest magnitude: what a high and a low bf16 half hold


def padded(values: Float64, width: int) -> Float64:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))


@pytest.mark.parametrize(
    ("valid", "width", "columns"),
    [(256, 256, 4), (384, 512, 4), (1280, 1280, 4), (64, 256, 4), (384, 512, 1), (384, 512, 2)],
)
def test_layer_norm_is_the_rounded_exact_one(valid: int, width: int, columns: int) -> None:
    rng = np.random.default_rng(valid)
    for mean, deviation in ((0.0, 1.0), (1000.0, 1.0), (0.0, 1e-3), (5.0, 300.0)):
        x, y = (
            padded(rng.normal(mean, deviation, (64, valid)), width),
            padded(rng.normal(0, deviation, (64, valid)), width),
        )
        error, off = norm_error(x, y, valid, columns)
        assert error.within(NORMALISED), (mean, deviation, table([error]))
        assert off < SUM


@given(
    mean=st.floats(-1000, 1000),
    deviation=st.floats(1, 1000),
    outlier=st.sampled_from([0.0, 1.0, 100.0]),
    at=st.integers(0, 255),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=30)
def test_means_and_single_large_columns_do_not_cost_accuracy(
    mean: float, deviation: float, outlier: float, at: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(mean, deviation, (64, 256)), rng.normal(0, deviation, (64, 256))
    x[:, at] += outlier * deviation
    error, off = norm_error(x, y, 256)
    assert error.within(NORMALISED), table([error])
    assert off < SUM


def test_residual_streams_of_real_speech() -> None:
    measured = [norm_error(x, y, 256) for x, y in streams()]
    assert len(measured) == 8
    assert all(error.within(NORMALISED) and off < SUM for error, off in measured), table(error for error, _ in measured)


def test_padding_is_written_as_zeros() -> None:
    x, y = np.random.default_rng(4).standard_normal((2, 64, 512))
    x[:, 320:] = y[:, 320:] = 0
    high, low, norm = call_row_kernels(x, y, valid=320)
    for result in (high, low, norm):
        assert result[:, :320].any(axis=0).all()
        np.testing.assert_array_equal(result[:, 320:], 0)


def test_rows_do_not_see_each_other() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 64, 256))
    large = x.copy()
    large[5] = 1e6
    others = np.arange(64) != 5
    for one, other in zip(call_row_kernels(x, y), call_row_kernels(large, y), strict=True):
        np.testing.assert_array_equal(one[others], other[others])


def test_a_constant_row_gives_zero_and_no_nan() -> None:
    x = np.repeat(np.array([0.0, 1.0, -77.0, 3e4] * 16)[:, None], 256, axis=1)
    np.testing.assert_array_equal(call_row_kernels(x, np.zeros_like(x))[2], 0)


@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.0, 1.0, 8.0]))
@settings(max_examples=20)
def test_quantised_rows_are_the_packing_hosts(seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((64, 512)) * np.exp(spread * rng.standard_normal((64, 1)))
    x[rng.integers(64)] = 0
    values = from_bf16(to_bf16(x))
    quantised, scales = call_quantise_kernels(values)
    expected, expected_scales = quantise_rows(values)
    np.testing.assert_array_equal(scales, expected_scales)
    exact = values / scales[:, None].astype(np.float64)
    assert np.abs(quantised - exact).max() <= 0.5 + 2.0**-7  # of a step; ties may fall either way
    assert np.abs(quantised.astype(int) - expected).max() <= 1
    assert (quantised != expected).mean() < 0.01


@pytest.mark.parametrize("largest", [0.0, 1.0, 127.0, 3.0, 2.0**-30, 3e4])
def test_the_largest_magnitude_becomes_127_or_nearly(largest: float) -> None:
    values = np.zeros((64, 512), np.float32)
    values[:, 100] = -from_bf16(to_bf16(np.array(largest)))
    quantised, scales = call_quantise_kernels(values)
    assert np.abs(quantised).max() in ({0} if largest == 0 else {126, 127})
    assert (scales == scales[0]).all()
    assert from_bf16(to_bf16(scales))[0] == scales[0]


FAULTS = {
    "sums without their shift": ("add_to(state + SHIFT, pair, mean);", ""),
    "padding counts": ("gather(acc, state, blocks)", "gather(acc, state, COLS)"),
    "one Newton step": ("step < 2", "step < 0"),
    "the low half of x forgotten": ("aie::add(aie::add(x, low), y)", "aie::add(x, y)"),
    "halves rounded down": ("aie::rounding_mode::conv_even", "aie::rounding_mode::floor"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_kernel_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    right, wrong = FAULTS[fault]
    header = reference.SOURCE.with_name("floats.h").read_text()
    source = reference.SOURCE.read_text().replace('#include "rows/floats.h"', header.replace("#pragma once", ""))
    assert right in source
    mutant = tmp_path / "rows.cc"
    mutant.write_text(source.replace(right, wrong))
    monkeypatch.setattr(reference, "SOURCE", mutant)
    with np.errstate(all="ignore"), pytest.raises(AssertionError):
        test_layer_norm_is_the_rounded_exact_one(384, 512, 4)
