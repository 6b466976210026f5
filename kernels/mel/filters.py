"""Whisper's mel filters and their division among the cores of a column.

Recipe of librosa.filters.mel (Slaney's scale and norm), whose float32 values Whisper ships; here without librosa,
which takes two seconds to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
N_FFT = 400
HOP = 160
BINS = N_FFT // 2 + 1
CORES = 4  # of a column: they share the bins, and the columns share the frames
GROUP = 4  # bands of a sub-tile of the mel product
BIN_BLOCK = 8  # bins of a sub-tile of the mel product
BIN_BLOCKS = 7  # blocks of bins that one core computes

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Share:
    """What one core computes: ``bands`` bands from ``first_band`` on, out of 56 bins from ``first_bin`` on."""

    first_band: int
    bands: int
    first_bin: int

    @property
    def groups(self) -> int:
        """Groups of four bands, the last one filled up with bands of zero energy."""
        return -(-self.bands // GROUP)


@cache
def mel_filters(n_mels: int) -> Float64:
    """Triangles of equal area on Slaney's mel scale, float64 [n_mels, 201] with float32 values."""
    edges = _mel_to_hertz(np.linspace(0.0, _hertz_to_mel(SAMPLE_RATE / 2), n_mels + 2))
    bins = np.linspace(0, SAMPLE_RATE / 2, BINS)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    filters = np.maximum(0, np.minimum(rising, falling)) * area[:, None]
    return filters.astype(np.float32).astype(np.float64)


# Linear below 1 kHz, 15 mels there; above, 27 mels to a factor of 6.4.
_LINEAR = 200.0 / 3
_KNEE = 1000.0
_STEP = np.log(6.4) / 27


def _hertz_to_mel(hertz: float) -> float:
    return float(_KNEE / _LINEAR + np.log(hertz / _KNEE) / _STEP) if hertz > _KNEE else hertz / _LINEAR


def _mel_to_hertz(mels: Float64) -> Float64:
    knee = _KNEE / _LINEAR
    return np.where(mels > knee, _KNEE * np.exp(_STEP * (mels - knee)), _LINEAR * mels)


@cache
def shares(n_mels: int) -> tuple[Share, ...]:
    """Contiguous bands for each of the four cores: no more than 56 bins each, and as few groups of bands as can be.

    Bands that meet at a cut share bins, which both cores compute. Raises ValueError where 56 bins are not enough.
    """
    used = [np.flatnonzero(row) for row in mel_filters(n_mels)]
    first, last = [int(bins[0]) for bins in used], [int(bins[-1]) for bins in used]

    @cache
    def divide(start: int, cores: int) -> tuple[int, tuple[Share, ...]] | None:
        """The groups in all and the shares of the bands from ``start`` on; None if they do not fit."""
        if cores == 0:
            return (0, ()) if start == n_mels else None
        options = []
        for end in range(start + 1, n_mels + 1):
            share = Share(start, end - start, first[start])
            rest = divide(end, cores - 1)
            if rest is not None and last[end - 1] - first[start] < BIN_BLOCK * BIN_BLOCKS:
                options.append((share.groups + rest[0], (share, *rest[1])))
        return min(options, default=None, key=lambda option: option[0])

    best = divide(0, CORES)
    if best is None:
        raise ValueError(f"{n_mels} bands need more than {BIN_BLOCK * BIN_BLOCKS} bins on some core.")
    return best[1]
