"""Four cores cover all mel bands."""

from __future__ import annotations

import pytest

from kernels.mel.audio import mel_filters
from kernels.mel.shares import BIN_BLOCK, BIN_BLOCKS, CORES, shares


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
