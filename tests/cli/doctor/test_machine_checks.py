from __future__ import annotations

import numpy as np

from kernels.mel.audio import Float32, mel_filters
from server.cli.doctor.machine_checks import check_mel_filters


def test_the_mel_filters_are_those_of_librosa_to_the_bit() -> None:
    check = check_mel_filters()
    assert check.state == "ok"
    assert "to the bit" in check.detail


def test_one_bit_more_is_reported() -> None:
    def off_by_one_bit(n_mels: int) -> Float32:
        filters = mel_filters(n_mels).copy()
        filters[n_mels - 1] = np.nextafter(filters[n_mels - 1], np.float32(1))
        return filters

    check = check_mel_filters(off_by_one_bit)
    assert check.state == "missing"
    assert "differ from those of librosa" in check.detail
    assert check.cure
