"""The downmix of any number of channels to mono, so that no channel's speech is lost."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from kernels.mel.audio import SAMPLE_RATE, Float32

# Gains of ITU-R BS.775-3 as FFmpeg's resampler has them, halved in power, so that a stereo pair is averaged.
FRONT, CENTRE, OTHER = 0.5, sqrt(0.5), sqrt(0.125)
GAINS = {"FL": FRONT, "FR": FRONT, "DL": FRONT, "DR": FRONT, "FC": CENTRE, "LFE": 0.0, "LFE2": 0.0}
UNPLACED = ("NONE", "UNK", "UNSD", "USR", "AMBI")  # FFmpeg's names of channels that are no speaker's

FRAME = SAMPLE_RATE // 50  # samples over which a channel's energy is measured for automatic gains
SMOOTHING = 11  # frames: gains follow energy over 0.22 s, so they change less than a syllable
TEST = SAMPLE_RATE // 2  # samples in which channels may cancel
CANCELLED = 0.5  # of the energy of the channels is left: 3 dB less than if they had nothing in common
SILENCE = 1e-8  # mean square, -80 dB below full scale
OFTEN = 0.2  # share of the tested stretches that shows channels of opposite polarity, not chance
BASS = 0.01  # energy of the difference of neighbouring samples to energy: below 0.0023 for a subwoofer's 120 Hz


class Downmix:
    """A downmix of one layout: called with samples [n, channels] in the order of the recording, it returns mono [n].

    Channels that are speakers are added with the usual gains. Channels without a place, such as the inputs of a
    conference recorder, are mixed by gain sharing (D. Dugan, "Automatic microphone mixing", AES 1975): each channel's
    gain is its share of the energy at that moment, so that one voice among 60 channels stays as loud as it was.

    Where channels cancel each other (right = -left), they are added in different phases, which keeps all of each. That
    holds for the block at hand, and for the rest of the file if channels cancel often.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        placed = not any(name.startswith(UNPLACED) for name in names)
        self._shared = not placed and len(names) > 2
        self._gains = np.array([GAINS.get(n, OTHER) if placed else FRONT for n in names], np.float32)
        self._bass = [i for i, name in enumerate(names) if name.startswith("LFE")]
        self._tested = self._cancelled = 0
        self._volume = 1.0

    def __call__(self, samples: Float32) -> Float32:
        """Return the mono mix of the next block, float32 [n]; samples beyond full scale lower all that follows."""
        if samples.shape[1] == 1:
            return samples[:, 0]
        self._admit_bass(samples)
        parts = samples * (shared_gains(samples) if self._shared else self._gains)
        mono = parts @ np.ones(parts.shape[1], np.float32)
        if self._cancels(parts, mono):
            mono = in_quadrature(parts)
        self._volume = min(self._volume, 1 / max(float(np.abs(mono).max(initial=0.0)), 1e-9))
        return mono if self._volume == 1 else mono * np.float32(self._volume)

    def _admit_bass(self, samples: Float32) -> None:
        """Mix a bass channel in from now on if it is none: recorders give 5.1 as the layout of any six inputs."""
        for channel in self._bass:
            x = samples[:, channel]
            if np.square(np.diff(x)).sum() > BASS * np.square(x).sum():
                self._gains[channel] = OTHER

    def _cancels(self, parts: Float32, mono: Float32) -> bool:
        starts = np.arange(0, len(mono), TEST)
        left = np.add.reduceat(np.square(mono), starts)
        each = np.add.reduceat(np.einsum("nc,nc->n", parts, parts), starts)
        audible = each > SILENCE * TEST
        cancelled = int((audible & (left < CANCELLED * each)).sum())
        self._tested += int(audible.sum())
        self._cancelled += cancelled
        return cancelled > 0 or self._cancelled > OFTEN * self._tested


def shared_gains(samples: Float32) -> Float32:
    """Return the gains of automatic mixing for samples [n, channels], of the same shape; they add up to 1."""
    n, channels = samples.shape
    frames = -(-n // FRAME)
    padded = np.zeros((frames * FRAME, channels), np.float32)
    padded[:n] = samples
    energy = np.square(padded).reshape(frames, FRAME, channels).sum(axis=1, dtype=np.float64)
    half = SMOOTHING // 2
    total = np.cumsum(np.pad(energy, ((half + 1, half), (0, 0)), mode="edge"), axis=0)
    smooth = np.maximum(total[SMOOTHING:] - total[:-SMOOTHING], 0) + 1e-12
    shares = (smooth / smooth.sum(axis=1, keepdims=True)).astype(np.float32)
    following = np.concatenate((shares[1:], shares[-1:]))
    ramp = (np.arange(FRAME, dtype=np.float32) / FRAME)[:, None]
    gains: Float32 = (shares[:, None] * (1 - ramp) + following[:, None] * ramp).reshape(-1, channels)[:n]
    return gains


def in_quadrature(parts: Float32) -> Float32:
    """Add channels [n, channels] with phases of their own, so that no two of them cancel each other; returns [n].

    The two loudest are a quarter turn apart, and no two of 16 are closer than a sixteenth of a half turn. Speech keeps
    its spectrum: a phase that is the same at all frequencies changes no magnitude.
    """
    loudest_first = np.argsort(-np.einsum("nc,nc->c", parts, parts), kind="stable")
    phases = np.empty(parts.shape[1])
    phases[loudest_first] = [pi * van_der_corput(rank) for rank in range(len(phases))]
    straight: Float32 = parts @ np.cos(phases).astype(np.float32)
    return straight + quarter_turned(parts @ np.sin(phases).astype(np.float32))


def quarter_turned(samples: Float32) -> Float32:
    """Return the Hilbert transform of samples [n], which delays every frequency by a quarter of its period."""
    margin = min(512, len(samples) - 1)
    padded = np.pad(samples, margin, mode="reflect", reflect_type="odd")
    size = -(-len(padded) // 4096) * 4096  # a size whose only large factors are small
    turned: Float32 = np.fft.irfft(np.fft.rfft(padded, size) * -1j, size).astype(np.float32)
    return turned[margin : margin + len(samples)]


def van_der_corput(index: int) -> float:
    """Return the index's bits mirrored at the binary point: 0, 1/2, 1/4, 3/4, 1/8, ..."""
    return int(f"{index:b}"[::-1], 2) / (1 << index.bit_length())
