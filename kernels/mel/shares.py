"""The division of the mel bands and their DFT bins among the four cores of a column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from kernels.mel.audio import mel_filters

CORES = 4  # of a column: they share the bins, and the columns share the frames
GROUP = 4  # bands of a sub-tile of the mel product
BIN_BLOCK = 8  # bins of a sub-tile of the mel product
BIN_BLOCKS = 7  # blocks of bins that one core computes


@dataclass(frozen=True, slots=True)
class Share:
    """One core's part of the mel bands: ``bands`` bands from ``first_band`` on, and the DFT bins that they consist of.

    The core computes 56 bins from ``first_bin`` on.
    """

    first_band: int
    bands: int
    first_bin: int

    @property
    def groups(self) -> int:
        """The number of groups of four mel bands, of which the last is filled up with bands of zero energy."""
        return -(-self.bands // GROUP)


@cache
def shares(n_mels: int) -> tuple[Share, ...]:
    """Divide the mel bands among the four cores of a column, as contiguous runs with as few groups as possible.

    Each run is made of at most 56 bins. Two bands that meet at a cut share bins, which both cores compute. Raises
    ValueError if 56 bins are not enough.
    """
    used = [np.flatnonzero(row) for row in mel_filters(n_mels)]
    first, last = [int(bins[0]) for bins in used], [int(bins[-1]) for bins in used]

    @cache
    def divide(start: int, cores: int) -> tuple[int, tuple[Share, ...]] | None:
        """Return the number of groups and the shares of the bands from ``start`` on, or None if they do not fit."""
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
