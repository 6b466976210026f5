"""A gate for recordings with a speaker a channel: what one channel has from another is silenced, so it is said once.

Speech that leaks into another channel has the same spectrum over time there, only fainter and perhaps later (the echo
of a line or of a loudspeaker). Two people who talk at once do not, however quiet one of them is: a level alone could
not tell a leak from a quiet talker.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from kernels.mel.audio import SAMPLE_RATE, Float32

# Measured on pairs of 32 clips of eight corpora that begin at the same moment, with patches of 2 s and the best delay:
# the correlation of different speech is below 0.57 in 99 % and below 0.74 in 99.9 % of frames; that of speech with its
# leak at -20 or -30 dB, 6 dB or more above noise, is above 0.80 in 95 %. An hour of two channels takes 25 s of
# processor time, of eight 7 minutes.
FRAME = SAMPLE_RATE // 50  # 20 ms
BANDS = np.unique(np.round(np.geomspace(150, 7200, 25) / 25)).astype(int)  # edges in bins of 25 Hz
PATCH = 101  # frames over which channels are compared: 2 s
HALF = PATCH // 2
DELAYS = range(26)  # frames by which a leak may be late: up to 0.5 s
ALIKE = 0.75  # correlation from which much fainter speech is a leak
COPY = 0.9  # correlation from which speech is the same, at any level; that of a copy by AAC, 64 ms late, is 0.97
FAINTER = 10.0  # dB by which a leak is at least below the channel that it comes from
LOUDER = 6.0  # dB by which the later one of two copies must be louder to be the one that is kept
SPREAD = 6.0  # dB by which a leak may rise above its mean level
OWN = 9.0  # dB above the leak from which a short word in it ("yes") is the speaker's own
WORD = 5  # frames of such a word at least
NEAR = 2  # frames by which the delay may be wrong
MARGIN = 10  # frames around it that stay with it
FLOOR = -110.0  # dB of full scale in a band; fainter sound counts as this
RANGE = 40.0  # dB below the loudest band of a patch, under which nothing counts
BEFORE = 4 * HALF + DELAYS[-1]  # frames on which the gain of a frame depends
AFTER = 3 * HALF

Array = NDArray[np.float64]


class CrosstalkGate:
    """A gate for one recording, which arrives in blocks: ``feed`` and ``flush`` return all samples, some as silence.

    Where channels hold the same speech, one keeps it: the loudest, and the first of copies that are about as loud.

    The result lags 3 s behind and does not depend on the sizes of the blocks.
    """

    def __init__(self, channels: int) -> None:
        self._samples = np.zeros((0, channels), np.float32)
        self._energies = np.zeros((0, channels, len(BANDS) - 1))  # of the frames in _samples, and _passed ones before
        self._passed = 0
        self._gain: Float32 | None = None  # [1, channels] of the last frame that was returned

    def feed(self, samples: Float32) -> Float32:
        """Process the next samples, float32 [n, channels] at 16 kHz; return those that are final now."""
        self._append(samples)
        return self._gated(len(self._energies) - self._passed - AFTER)

    def flush(self) -> Float32:
        """Process the end of the recording; return the remaining samples."""
        length = len(self._samples)
        self._append(np.zeros((2 * FRAME - length % FRAME, self._samples.shape[1]), np.float32))
        return self._gated(-(-length // FRAME))[:length]

    def _append(self, samples: Float32) -> None:
        self._samples = np.concatenate([self._samples, samples])
        known = (len(self._energies) - self._passed) * FRAME
        self._energies = np.concatenate([self._energies, _energies(self._samples[known:])])

    def _gated(self, count: int) -> Float32:
        """Return the next ``count`` frames and drop them."""
        if count <= 0:
            return self._samples[:0]
        gains = 1 - leaks(self._energies)[self._passed : self._passed + count].astype(np.float32)
        before = np.concatenate([gains[:1] if self._gain is None else self._gain, gains[:-1]])
        ramp = np.linspace(0, 1, FRAME, dtype=np.float32)[:, None]
        curve = before[:, None] * (1 - ramp) + gains[:, None] * ramp  # [count, FRAME, channels]
        gated: Float32 = self._samples[: count * FRAME] * curve.reshape(count * FRAME, -1)
        self._gain = gains[-1:]
        self._samples = self._samples[count * FRAME :]
        self._passed += count
        drop = max(0, self._passed - BEFORE)
        self._energies, self._passed = self._energies[drop:], self._passed - drop
        return gated


def leaks(energies: Array) -> NDArray[np.bool_]:
    """Return where a channel holds what another one said, bool [n, channels], from energies [n, channels, bands]."""
    n, channels, _ = energies.shape
    found = np.zeros((n, channels), bool)
    spectra = [_Patches(energies[:, channel]) for channel in range(channels)]
    audible = [channel for channel in range(channels) if spectra[channel].audible]
    for first, second in combinations(audible, 2):
        one, other = spectra[first], spectra[second]
        there, back = one.compared(other), other.compared(one)
        alike = np.maximum(there.alike, back.alike)
        fainter = np.where(there.alike >= back.alike, there.fainter, -back.fainter)
        copy = alike >= COPY
        found[:, second] |= there.masked(other, copy & (fainter >= -LOUDER) | (alike >= ALIKE) & (fainter >= FAINTER))
        found[:, first] |= back.masked(one, copy & (fainter < -LOUDER) | (alike >= ALIKE) & (fainter <= -FAINTER))
    return found


class _Comparison(NamedTuple):
    """A channel compared with another that may hold its leak, at the best delay of each frame, all float64 [n].

    ``alike`` is the correlation over a patch, ``fainter`` the dB by which the other is below, and ``source`` the level
    in dB from which a leak may come now.
    """

    alike: Array
    fainter: Array
    source: Array

    def masked(self, other: _Patches, patches: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the frames of the leak whose patches are given, bool [n]."""
        # Patches at the ends of a leak hold other speech too: frames there are as faint as the leak beside them.
        beside = _highest(np.where(patches, -self.fainter, -np.inf), HALF)
        # A word of the other's own makes the leak around it seem louder: the faintest leak nearby is the true one.
        clean = _highest(np.where(patches, self.fainter, -np.inf), HALF)
        own = (other.frame > self.source - clean + OWN) & (other.frame > other.level)
        return (patches | (other.frame <= self.source + beside + SPREAD)) & ~_words(own)


def _words(own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the frames around sounds that are long enough to be of a word."""
    long = _highest(np.where(own, -1.0, 0.0), WORD // 2) < 0
    return _highest(np.where(long, 1.0, 0.0), WORD // 2 + MARGIN) > 0


class _Patches:
    """The shape of a channel's spectrum in dB, without its level, compared over 2 s around each frame.

    Levels would make any two alike that begin to talk at the same moment.
    """

    def __init__(self, energies: Array) -> None:
        level = _decibels(energies)
        loudest = _highest(level.max(axis=1, initial=FLOOR), HALF)
        level = np.maximum(level, loudest[:, None] - RANGE)
        self._shape = level - level.mean(axis=1, keepdims=True)
        self._size = _total(np.ones(len(energies)))
        self.frame = _decibels(energies.sum(axis=1))
        self.level = _decibels(_total(energies.sum(axis=1)) / self._size)
        self.audible = bool(self.frame.max(initial=FLOOR) > FLOOR)

    def compared(self, other: _Patches) -> _Comparison:
        """Compare the channel with another one that may hold its leak, now or up to 0.5 s later."""
        best = _Comparison(*np.zeros((3, len(self._shape))))
        y, near = other._shape, _highest(self.frame, NEAR)
        own = self._covariance(y, y)
        for delay in DELAYS:
            x = _delayed(self._shape, delay)
            alike = self._covariance(x, y) / np.sqrt(self._covariance(x, x) * own + 1e-3)
            now = _Comparison(alike, _delayed(self.level, delay) - other.level, _delayed(near, delay))
            best = _Comparison(*np.where(alike > best.alike, now, best))
        return best

    def _covariance(self, x: Array, y: Array) -> Array:
        sums = _total(x * y) - _total(x) * _total(y) / self._size[:, None]
        covariance: Array = np.maximum(sums.sum(axis=1), 0) if x is y else sums.sum(axis=1)
        return covariance


def _energies(samples: Float32) -> Array:
    """Return the energy of each frame but the last, float64 [n, channels, bands], from windows of two frames."""
    if len(samples) < 2 * FRAME:
        return np.zeros((0, samples.shape[1], len(BANDS) - 1))
    frames = sliding_window_view(samples, 2 * FRAME, axis=0)[::FRAME] * np.hanning(2 * FRAME)
    power = np.square(np.abs(np.fft.rfft(frames))) / (2 * FRAME) ** 2
    energies: Array = np.add.reduceat(power[..., : BANDS[-1]], BANDS[:-1], axis=2)
    return energies


def _decibels(energy: Array) -> Array:
    decibels: Array = np.maximum(10 * np.log10(energy + 1e-20), FLOOR)
    return decibels


def _delayed(x: Array, frames: int) -> Array:
    return np.concatenate([np.repeat(x[:1], frames, axis=0), x])[: len(x)]


def _total(x: Array) -> Array:
    """Return the sum over the patch around each frame."""
    sums = np.cumsum(np.pad(x, [(HALF + 1, HALF)] + [(0, 0)] * (x.ndim - 1)), axis=0)
    total: Array = sums[PATCH:] - sums[:-PATCH]
    return total


def _highest(x: Array, frames: int) -> Array:
    """Return the highest of the values from so many frames before each to so many after it, float64 [n]."""
    padded = np.pad(x, frames, constant_values=-np.inf)
    highest: Array = sliding_window_view(padded, 2 * frames + 1).max(axis=1)
    return highest
