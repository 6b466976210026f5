"""The constants in the memory of each mel core: the folded DFT table, the mel weights, and the bins of each band.

The window is part of the table, and the table has half the rows of a frame, because the kernel folds the frame around
its middle. Rows with a small window are stored two or four times as large, and the kernel multiplies their samples by
less: small rows keep more bits. The remaining rounding error leaks the loudest bins into all others, so entries are
rounded such that they leak least.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from kernels.matmul.blocks import to_bf16
from kernels.mel.audio import BINS, N_FFT, Float64, mel_filters
from kernels.mel.plan import MelPlan
from kernels.mel.shares import BIN_BLOCK, BIN_BLOCKS, GROUP, Share, shares

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Bits = NDArray[np.uint16]

ROWS = 204  # n = 0 to 203: 51 sub-tiles of 4; the window is 0 at 0, and the rows after 200 are 0
BLOCK = 16  # rows that share a factor
FACTORS = (1, 1, 1, 1, 2, 2, 4, 4, 4, 4, 4, 4, 4)  # of the samples, by blocks of rows; mel.cc has the same steps
LARGEST = max(FACTORS)
AMPLITUDE = 32_300  # the table's largest value: int16, and 30 bits hold the loudest sums
NEAR = 3  # bins on either side whose leaks do not matter: the window is as wide
SWEEPS = 6
TILE = 4  # edge of a DFT sub-tile, in bins and in samples
FOLDED = len(FACTORS) * 4 * 4 * TILE**2  # int16: sums and differences of both planes, for the sub-tiles of every block
POWER = BIN_BLOCKS * BIN_BLOCK * 4  # bf16: every bin of four frames


def constants(share: Share, plan: MelPlan) -> tuple[Int16, Bits, Int32]:
    """Return the constants of one core: DFT table, mel weights, and spans (the bins of each group of bands).

    Weights and spans have zeros behind them, up to the size of the largest core's.
    """
    every = [mel_weights(each, plan.n_mels) for each in shares(plan.n_mels)]
    weights, spans = mel_weights(share, plan.n_mels)
    room = max(tiles.size for tiles, _ in every), 2 * plan.band_groups
    return dft_table(share), np.pad(weights, (0, room[0] - weights.size)), np.pad(spans, (0, room[1] - spans.size))


def dft_table(share: Share) -> Int16:
    """Return one core's DFT table, flat int16: permutation matrices, then cosines and sines of its 56 bins.

    The second part is [7 blocks of 8 bins][51 steps][cos, cos, sin, sin][4 bins][4 samples].
    """
    bins = share.first_bin + np.arange(BIN_BLOCK * BIN_BLOCKS)
    cos, sin = (np.pad(part, ((0, BIN_BLOCK * BIN_BLOCKS), (0, 0)))[bins] for part in folded_dft())
    both = np.stack([cos, sin]).reshape(2, BIN_BLOCKS, BIN_BLOCK // TILE, TILE, ROWS // TILE, TILE)
    return np.concatenate([permutations().ravel(), both.transpose(1, 4, 0, 2, 3, 5).ravel()])


def permutations() -> Int16:
    """Return the matrices by which the kernel picks and scales samples: int16 [factors, 3, 4, 4].

    For each factor, the three are the identity, the matrix that moves rows 3, 2, 1 to places 1, 2, 3, and the one that
    keeps row 0 in place 0, all multiplied by the factor.
    """
    backward = np.eye(TILE)[[0, 3, 2, 1]]
    first = np.diag([1, 0, 0, 0])
    matrices = np.stack([np.eye(TILE), backward - first, first])
    return np.stack([factor * matrices for factor in sorted(set(FACTORS))]).astype(np.int16)


def row_factors() -> Float64:
    """Return the factor by which the kernel multiplies the samples of each row of the table, float64 [204]."""
    return np.repeat(FACTORS, BLOCK)[:ROWS].astype(np.float64)


def exact_rows() -> tuple[Float64, Float64]:
    """Return the DFT table before rounding: cosines and sines, float64 [201 bins, 204 rows] each.

    Both are multiplied by the periodic Hann window. Row 200 is halved, as the fold counts its sample twice. Bins 0 and
    200 weigh nothing in any band and are zero.
    """
    n = np.arange(ROWS)
    window = np.where(n <= N_FFT // 2, 0.5 - 0.5 * np.cos(2 * np.pi * n / N_FFT), 0.0)
    window[N_FFT // 2] /= 2
    scaled = AMPLITUDE * LARGEST * window / row_factors()
    phase = 2 * np.pi * (np.arange(BINS)[:, None] * n % N_FFT) / N_FFT
    used = (np.arange(BINS)[:, None] > 0) & (np.arange(BINS)[:, None] < BINS - 1)
    return np.where(used, np.cos(phase) * scaled, 0.0), np.where(used, np.sin(phase) * scaled, 0.0)


@cache
def folded_dft() -> tuple[Int16, Int16]:
    """Return the cosine and sine rows of every bin as they are stored on the cores: int16 [201 bins, 204 rows] each."""
    cos, sin = exact_rows()
    angle = 2 * np.pi * np.outer(np.arange(ROWS), np.arange(BINS)) / N_FFT
    factors = row_factors()[:, None]
    rounded = (_least_leak(rows, 2 * wave(angle) * factors) for rows, wave in ((cos, np.cos), (sin, np.sin)))
    first, second = (rows.astype(np.int16) for rows in rounded)
    return first, second


def _least_leak(rows: Float64, tones: Float64) -> Float64:
    """Round ``rows`` [bins, rows] up or down so that no tone leaks much into a distant bin.

    ``tones`` [rows, bins] is the effect of one step of each row on a tone at each bin. The search starts from the
    nearest integers and flips, row by row, each entry that lowers the sum of the fourth powers of a bin's leaks.
    """
    bins = np.arange(len(rows))
    far = np.abs(bins[:, None] - bins) > NEAR
    rounded = np.rint(rows)
    leaks = ((rounded - rows) @ tones) * far
    cost = _sum_of_fourth_powers(leaks)
    for _ in range(SWEEPS):
        for n in np.flatnonzero(np.any(rows, axis=0)):
            other = 2 * np.floor(rows[:, n]) + 1 - rounded[:, n]
            changed = leaks + (other - rounded[:, n])[:, None] * (tones[n] * far)
            new_cost = _sum_of_fourth_powers(changed)
            better = (new_cost < cost) & (rows[:, n] != 0)
            leaks[better], cost[better], rounded[better, n] = changed[better], new_cost[better], other[better]
    return rounded


def _sum_of_fourth_powers(leaks: Float64) -> Float64:
    squares = leaks * leaks
    return np.asarray(np.einsum("kf,kf->k", squares, squares))


def mel_weights(share: Share, n_mels: int) -> tuple[Bits, Int32]:
    """Return the mel weights of one core, and its spans: the blocks of bins that each group of four bands uses.

    The weights are bf16 sub-tiles [4 bands][8 bins], flat, without those outside a group's span. The spans have, for
    each group, its first block of eight bins and its number of blocks: int32 [2 * groups].
    """
    filters = np.zeros((share.groups * GROUP, BIN_BLOCK * BIN_BLOCKS))
    mine = mel_filters(n_mels)[share.first_band : share.first_band + share.bands, share.first_bin :]
    width = min(mine.shape[1], filters.shape[1])
    filters[: share.bands, :width] = mine[:, :width]
    tiles = filters.reshape(share.groups, GROUP, BIN_BLOCKS, BIN_BLOCK).transpose(0, 2, 1, 3)
    kept, spans = [], []
    for group in tiles:
        blocks = np.flatnonzero(group.any(axis=(1, 2)))
        spans += [blocks[0], len(blocks)]
        kept.append(group[blocks[0] : blocks[-1] + 1].ravel())
    return to_bf16(np.concatenate(kept)), np.array(spans, np.int32)
