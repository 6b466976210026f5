"""The integer tables equal the transform within their rounding, and nothing overflows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels.mel.audio import mel_filters
from kernels.mel.host import HIGH_BITS, LOW_BITS
from kernels.mel.plan import MelPlan
from kernels.mel.shares import BIN_BLOCK, BIN_BLOCKS, shares
from kernels.mel.tables import (
    AMPLITUDE,
    LARGEST,
    constants,
    dft_table,
    exact_rows,
    folded_dft,
    mel_weights,
    row_factors,
)

BANDS = [80, 128]


def folded(frame: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums and the differences of a frame, float [400], around its middle, for rows 0 to 203."""
    cyclic = np.concatenate([frame, frame[:1]])
    n = np.arange(204)
    return cyclic[n] + cyclic[400 - n], cyclic[n] - cyclic[400 - n]


def test_exact_rows_are_the_windowed_transform() -> None:
    frame = np.random.default_rng(1).standard_normal(400)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    spectrum = np.fft.rfft(frame * hann)
    cos, sin = exact_rows()
    sums, differences = folded(frame)
    unit = AMPLITUDE * LARGEST
    np.testing.assert_allclose(cos @ (sums * row_factors()) / unit, np.r_[0, spectrum.real[1:200], 0], atol=1e-10)
    np.testing.assert_allclose(
        sin @ (differences * row_factors()) / unit, -np.r_[0, spectrum.imag[1:200], 0], atol=1e-10
    )


def test_every_entry_is_an_integer_beside_the_exact_value() -> None:
    for rounded, exact in zip(folded_dft(), exact_rows(), strict=True):
        assert np.abs(rounded - exact).max() <= 1
        assert not rounded[exact == 0].any()


def test_tones_leak_less_than_from_the_nearest_integers() -> None:
    """The worst leak of a tone into a bin more than three away."""
    bins = np.arange(201)
    far = np.abs(bins[:, None] - bins) > 3
    for wave, rows, exact in zip((np.cos, np.sin), folded_dft(), exact_rows(), strict=True):
        tones = 2 * wave(2 * np.pi * np.outer(np.arange(204), bins) / 400) * row_factors()[:, None]
        chosen, nearest = (np.abs((integers - exact) @ tones)[far].max() for integers in (rows, np.rint(exact)))
        assert chosen < 0.75 * nearest


def test_the_loudest_frames_fit_30_bits() -> None:
    """Whatever the samples: the sum of a row's magnitudes times the largest sample, as mel.cc shifts it."""
    most = 0.0
    for rows in folded_dft():
        most = max(most, (np.abs(rows.astype(np.float64)) * row_factors()).sum(axis=1).max() * 2)
    high, low = most * 2**HIGH_BITS / 2**6, most * 2 ** (LOW_BITS - 1) / 2**19
    assert high + low + 2 < 2**30


@pytest.mark.parametrize("n_mels", BANDS)
def test_a_core_finds_its_rows_in_order(n_mels: int) -> None:
    for share in shares(n_mels):
        table = dft_table(share)[3 * 3 * 16 :].reshape(BIN_BLOCKS, 51, 2, 2, 4, 4)
        for part, rows in enumerate(folded_dft()):
            mine = table[:, :, part].transpose(0, 2, 3, 1, 4).reshape(BIN_BLOCK * BIN_BLOCKS, 204)
            there = rows[share.first_bin : share.first_bin + len(mine)]
            assert np.array_equal(mine[: len(there)], there)
            assert not mine[len(there) :].any()


@pytest.mark.parametrize("n_mels", BANDS)
def test_weights_unfold_to_the_filters(n_mels: int) -> None:
    for share in shares(n_mels):
        weights, spans = mel_weights(share, n_mels)
        tiles = (weights.astype(np.uint32) << 16).view(np.float32).reshape(-1, 4, BIN_BLOCK)
        dense = np.zeros((share.groups, 4, BIN_BLOCKS, BIN_BLOCK))
        used = 0
        for group, (first, count) in enumerate(spans.reshape(-1, 2)):
            dense[group, :, first : first + count] = tiles[used : used + count].transpose(1, 0, 2)
            used += count
        assert used == len(tiles)
        found = dense.reshape(share.groups * 4, -1)
        expected = np.zeros_like(found)
        mine = mel_filters(n_mels)[share.first_band : share.first_band + share.bands, share.first_bin :][
            :, : found.shape[1]
        ]
        expected[: share.bands, : mine.shape[1]] = mine
        np.testing.assert_allclose(found, expected, rtol=2**-8)


@pytest.mark.parametrize("n_mels", BANDS)
def test_constants_have_one_size_on_every_core(n_mels: int) -> None:
    plan = MelPlan(n_mels, columns=4)
    assert len({tuple(array.size for array in constants(share, plan)) for share in shares(n_mels)}) == 1
