"""The mel kernel equals a second model of its arithmetic: integers by numpy, bf16 by the rules of the core."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels.host.numerics import Rounding, Saturation, add, to_bfloat16
from kernels.mel.audio import mel_filters
from kernels.mel.host import gain, pack
from kernels.mel.plan import MelPlan
from kernels.mel.reference import call_kernel
from kernels.mel.shares import GROUP, shares
from kernels.mel.tables import folded_dft, row_factors
from tests.kernels.host.arithmetic import mac, matmul, shift_round_saturate
from tests.kernels.mel.packed import first_element

Bits = NDArray[np.uint16]
Ints = NDArray[np.int64]
BINS = 56


def model(packed: NDArray[np.int16], plan: MelPlan) -> Bits:
    """Return the energies of a launch's frames by the numpy model, bf16 bits [n_mels, frames]."""
    starts = [first_element(frame) for frame in range(plan.frames)]
    blocks = np.stack([packed[start : start + 800] for start in starts]).reshape(-1, 25, 2, 16).astype(np.int64)
    high, low = (blocks[:, :, plane].reshape(-1, 400) for plane in range(2))
    re, im = (to_bfloat16(_float(_joined(high, low, sign)), Rounding.CONV_EVEN) for sign in (1, -1))
    power = mac(mac(np.zeros(re.shape, np.float32), re[..., None], re[..., None]), im[..., None], im[..., None])
    bits = np.pad(to_bfloat16(power, Rounding.CONV_EVEN), ((0, 0), (0, BINS)))
    result = np.empty((plan.n_mels, plan.frames), np.uint16)
    for share in shares(plan.n_mels):
        bands, bins = (
            slice(share.first_band, share.first_band + share.bands),
            slice(share.first_bin, share.first_bin + BINS),
        )
        filters = np.pad(mel_filters(plan.n_mels), ((0, 0), (0, BINS)))[bands, bins].astype(np.float32)
        weights = to_bfloat16(filters, Rounding.CONV_EVEN)
        sums = matmul(weights, bits[:, bins].T, np.zeros((share.bands, plan.frames), np.float32))
        result[bands] = to_bfloat16(sums, Rounding.CONV_EVEN)
    return result


def _joined(high: Ints, low: Ints, sign: int) -> Ints:
    """Return the cosine (sign 1) or sine (-1) sums of every bin, with both planes in one integer: [frames, 201]."""
    rows = folded_dft()[0 if sign == 1 else 1].astype(np.int64).T
    n = np.arange(204)
    parts = []
    for plane, shift in ((high, 6), (low, 19)):
        cyclic = np.concatenate([plane, plane[:, :1]], axis=1)
        folded = (cyclic[:, n] + sign * cyclic[:, 400 - n]) * row_factors().astype(np.int64)
        assert np.array_equal(folded, folded.astype(np.int16))
        parts.append(shift_round_saturate(folded @ rows, shift, np.int32, Rounding.CONV_EVEN, Saturation.SATURATE))
    return (parts[0].astype(np.int64) + parts[1]).astype(np.int64)


def _float(values: Ints) -> NDArray[np.float32]:
    return add((values & 0xFFFF).astype(np.float32), (values >> 16 << 16).astype(np.float32))


def found(packed: NDArray[np.int16], plan: MelPlan) -> Bits:
    """Run the kernel and return its energies in the order of ``model``, bf16 bits [n_mels, frames]."""
    output = call_kernel(packed, plan).reshape(plan.objects, 4, plan.frame_groups, plan.band_groups, GROUP, GROUP)
    bands = [
        output[:, row].transpose(2, 3, 0, 1, 4).reshape(plan.band_groups * GROUP, plan.objects, -1)[: share.bands]
        for row, share in enumerate(shares(plan.n_mels))
    ]
    return np.concatenate(bands)[:, :, : plan.per_object].reshape(plan.n_mels, -1)[:, : plan.frames]


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1), st.floats(-6, 0), st.sampled_from([80, 128]), st.integers(1, 9))
def test_the_kernel_is_the_model_to_the_bit(seed: int, decades: float, n_mels: int, per_object: int) -> None:
    random = np.random.default_rng(seed)
    samples = random.standard_normal(3000) * np.geomspace(1, 10.0 ** (3 * decades), 3000)
    plan = MelPlan(n_mels, columns=1, per_object=per_object, frames=10)
    packed = pack(samples, plan, gain(samples))
    assert np.array_equal(found(packed, plan), model(packed, plan))


@pytest.mark.parametrize("level", [4095, -4096])
def test_full_scale_does_not_overflow(level: int) -> None:
    """A square wave that meets the largest sums of a bin, in both planes, and its mirror image."""
    plan = MelPlan(80, columns=1, frames=4)
    square = np.where(np.cos(2 * np.pi * 80 * (np.arange(1120) - 200) / 400) >= 0, level, ~level)
    packed = np.repeat(square.reshape(-1, 1, 16), 2, axis=1).ravel().astype(np.int16)
    assert np.array_equal(found(packed, plan), model(packed, plan))


def test_silence_has_no_energy() -> None:
    plan = MelPlan(128, columns=1, frames=4)
    assert not call_kernel(np.zeros(plan.input_samples, np.int16), plan).any()
