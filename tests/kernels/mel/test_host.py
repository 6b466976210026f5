"""The host's part of mel: samples into planes and back, energies out of their layout, Whisper's last steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.matmul.blocks import to_bf16
from kernels.mel.audio import WINDOW_SAMPLES
from kernels.mel.host import PEAK, energies, gain, log_mel, pack
from kernels.mel.plan import MelPlan
from kernels.mel.shares import CORES, shares
from kernels.mel.tables import AMPLITUDE
from tests.kernels.mel.packed import first_element

PLAN = MelPlan(80, columns=4)
plans = st.builds(
    MelPlan, st.sampled_from([80, 128]), st.sampled_from([1, 2, 4]), st.integers(1, 12), frames=st.integers(1, 40)
)


def planes(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the high and the low part of every sample of a packed window."""
    blocks = packed.reshape(-1, 2, 16).astype(np.int64)
    return blocks[:, 0].ravel(), blocks[:, 1].ravel()


@settings(max_examples=25)
@given(st.floats(2**-40, 2.0), st.integers(0, 2**32 - 1))
def test_samples_come_back_from_their_planes(peak: float, seed: int) -> None:
    samples = (np.random.default_rng(seed).uniform(-peak, peak, 2000)).astype(np.float32)
    power = gain(samples)
    high, low = planes(pack(samples, PLAN, power))
    assert np.abs(high).max() <= 4095
    assert low.min() >= -4096
    assert low.max() <= 4095
    back = (high * 8192 + low)[200:2200] * 2.0 ** -(power + 25)
    assert np.abs(back - samples).max() <= 2.0 ** -(power + 26)


@given(st.floats(2**-31, 4.0))
def test_gain_uses_the_range(peak: float) -> None:
    assert PEAK / 2 < peak * 2.0 ** gain(np.array([0.0, -peak, peak / 3])) <= PEAK


@pytest.mark.parametrize("samples", [[], [0.0, 0.0], [2.0**-60]])
def test_gain_of_nothing_is_bounded(samples: list[float]) -> None:
    assert 0 <= gain(np.array(samples)) <= 32


def test_int16_samples_are_exact() -> None:
    samples = np.random.default_rng(3).integers(-(2**15), 2**15, 5000).astype(np.float32) / 2**15
    power = gain(samples)
    high, low = planes(pack(samples, PLAN, power))
    assert np.array_equal((high * 8192 + low)[200:5200] / 2.0 ** (25 + power), samples)


@pytest.mark.parametrize("length", [0, 1, 150, 201, 1000, 479_900, 480_000])
def test_both_ends_are_reflected_as_whisper_does(length: int) -> None:
    samples = np.random.default_rng(length).uniform(-0.5, 0.5, length).astype(np.float32)
    window = np.zeros(WINDOW_SAMPLES)
    window[:length] = samples
    expected = np.pad(window, 200, mode="reflect")
    high, low = planes(pack(samples, PLAN, 0))
    values = (high * 8192 + low) / 2.0**25
    assert np.abs(values[: len(expected)] - expected).max() <= 2.0**-26
    assert not values[len(expected) :].any()


def test_more_than_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="480000 samples, not 480001"):
        pack(np.zeros(480_001), PLAN, 0)


@given(plans)
def test_energies_are_found_where_the_cores_put_them(plan: MelPlan) -> None:
    objects = np.zeros(
        (plan.columns * plan.objects, CORES, plan.frame_groups, plan.band_groups, 4, 4),
        np.float32,
    )
    for frame in range(plan.computed_frames):
        number, inside = divmod(frame, plan.per_object)
        for row, share in enumerate(shares(plan.n_mels)):
            for band in range(share.bands):
                value = 128 * (frame % 2) + share.first_band + band if frame < 64 else 0
                objects[number, row, inside // 4, band // 4, band % 4, inside % 4] = value
    assert objects.size == plan.output_energies
    found = energies(to_bf16(objects).ravel(), plan)
    assert found.shape == (plan.n_mels, plan.frames)
    expected = np.add.outer(np.arange(plan.n_mels), 128 * (np.arange(plan.frames) % 2)).astype(np.float32)
    assert np.array_equal(found, expected)


def test_every_frame_finds_its_samples_in_its_object() -> None:
    plan = MelPlan(80, columns=2, per_object=10)
    for frame in (0, 9, 10, 1499, 1500, 2999):
        number, inside = divmod(frame, plan.per_object)
        start = number * plan.object_hop + first_element(inside)
        assert start == first_element(frame)
        assert start + 2 * 400 <= number * plan.object_hop + plan.object_samples <= plan.input_samples


def test_silence_is_whispers_silence() -> None:
    assert np.array_equal(log_mel(np.zeros((80, 3000), np.float32), 32), np.full((80, 3000), -1.5, np.float32))


def test_quiet_bands_are_raised_to_8_below_the_loudest() -> None:
    unit = np.float64(AMPLITUDE * 2.0**8) ** 2
    spectrum = (np.array([[100.0, 1e-9, 1e-3]]) * unit).astype(np.float32)
    np.testing.assert_allclose(log_mel(spectrum, 0), [[1.5, -0.5, 0.25]], atol=1e-6)
