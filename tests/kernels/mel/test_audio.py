"""Whisper's mel filters are librosa's."""

from __future__ import annotations

import numpy as np
import pytest
from librosa.filters import mel as slaney

from kernels.mel.audio import mel_filters


@pytest.mark.parametrize("n_mels", [40, 80, 128])
def test_filters_are_those_of_librosa_to_the_bit(n_mels: int) -> None:
    theirs = slaney(sr=16_000, n_fft=400, n_mels=n_mels)
    assert mel_filters(n_mels).dtype == theirs.dtype
    assert np.array_equal(mel_filters(n_mels), theirs)


@pytest.mark.parametrize(("n_mels", "nonzero"), [(80, 391), (128, 394)])
def test_weights_of_whisper(n_mels: int, nonzero: int) -> None:
    filters = mel_filters(n_mels)
    assert np.count_nonzero(filters) == nonzero
    assert not filters[:, [0, 200]].any()
