"""Slaney's filters without librosa are librosa's, and four cores cover them."""

from __future__ import annotations

import numpy as np
import pytest
from librosa.filters import mel as slaney

from kernels.mel.filters import BIN_BLOCK, BIN_BLOCKS, CORES, mel_filters, shares


@pytest.mark.parametrize("n_mels", [40, 80, 128])
def test_filters_are_those_of_librosa(n_mels: int) -> None:
    theirs = slaney(sr=16_000, n_fft=400, n_mels=n_mels)
    np.testing.assert_allclose(mel_filters(n_mels), theirs, rtol=2e-6, atol=1e-9)
    assert np.array_equal(mel_filters(n_mels) > 0, theirs > 0)


@pytest.mark.parametrize(("n_mels", "nonzero"), [(80, 391), (128, 394)])
def test_weights_of_whisper(n_mels: int, nonzero: int) -> None:
    filters = mel_filters(n_mels)
    assert np.count_nonzero(filters) == nonzero
    assert not filters[:, [0, 200]].any()


@pytest.mark.parametrize("n_mels", [80, 128])
def test_every_band_has_its_bins_on_its_core(n_mels: int) -> None:
    found = shares(n_mels)
    assert len(found) == CORES
    assert [band for share in found for band in range(share.first_band, share.first_band + share.bands)] == [
        *range(n_mels)
    ]
    for share in found:
        weights = mel_filters(n_mels)[share.first_band : share.first_band + share.bands].copy()
        weights[:, share.first_bin : share.first_bin + BIN_BLOCK * BIN_BLOCKS] = 0
        assert not weights.any()


def test_bands_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="5 bands need more than 56 bins"):
        shares(5)
