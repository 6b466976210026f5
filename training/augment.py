"""Augmentation of log-mel features: voice, tempo, channel, room, noise and masks, without going back to samples.

Powers add, so noise and echo work on 10 ** mel; everything else works on the logarithm.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from kernels.mel.audio import hertz_to_mel, mel_to_hertz
from training.features import BANDS, FLOOR, scaled

Float32 = NDArray[np.float32]
Generator = np.random.Generator
TELEPHONE_BAND = 52  # about 3.4 kHz


@functools.cache
def _warp(stretch: float) -> Float32:
    """Return the matrix [80, 80] that moves bands to ``stretch`` times their frequency, as another vocal tract does."""
    top = float(hertz_to_mel(np.array(8000.0)))
    centres = np.linspace(0, top, BANDS + 2)[1:-1]
    source = hertz_to_mel(np.minimum(mel_to_hertz(centres) * stretch, 7990.0))
    position = np.clip((source - centres[0]) / (centres[1] - centres[0]), 0, BANDS - 1)
    below = np.minimum(position.astype(int), BANDS - 2)
    matrix = np.zeros((BANDS, BANDS), np.float32)
    matrix[below, np.arange(BANDS)] = 1 - (position - below)
    matrix[below + 1, np.arange(BANDS)] = position - below
    return matrix


def vary_speaker(mel: Float32, phones: NDArray[np.int8], rng: Generator) -> tuple[Float32, NDArray[np.int8]]:
    """Vary the vocal tract, tempo, channel and level of one utterance; the phones follow the tempo."""
    if rng.random() < 0.45:
        mel = mel @ _warp(round(float(np.clip(rng.normal(1.02, 0.06), 0.84, 1.2)), 2))
    if rng.random() < 0.3:
        speed = rng.uniform(0.87, 1.15)
        frames = int(len(mel) / speed) // 2 * 2
        at = np.minimum(np.arange(frames) * speed, len(mel) - 1.001)
        below, share = at.astype(int), (at % 1).astype(np.float32)[:, None]
        mel = mel[below] * (1 - share) + mel[below + 1] * share
        phones = phones[np.minimum((np.arange(frames // 2) * speed).astype(int), len(phones) - 1)]
    if rng.random() < 0.3:
        mel = mel + np.linspace(rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5), BANDS, dtype=np.float32)
    return mel + np.float32(rng.uniform(-0.6, 0.3)), phones


def add_room_and_noise(mel: Float32, rng: Generator) -> Float32:
    """Add the room and the microphone: sometimes an echo or the band of a telephone, always some noise."""
    power = 10.0**mel
    if rng.random() < 0.2:
        fading = np.exp(-1 / (100 * rng.uniform(0.03, 0.15)))  # e-fold time in frames of 10 ms
        power = power + rng.uniform(0.02, 0.2) * lfilter([0, 1 - fading], [1, -fading], power, axis=0)
    if rng.random() < 0.06:
        power[:, TELEPHONE_BAND:] = 10.0**FLOOR
    level = rng.uniform(-9.5, -5.5) if rng.random() < 0.85 else rng.uniform(-5.5, -3.7)
    tilt = np.linspace(0, rng.uniform(-1.5, 0.5), BANDS, dtype=np.float32)
    grain = rng.standard_gamma(2.0, mel.shape, dtype=np.float32) / 2 + np.float32(1e-3)
    placed: Float32 = np.log10(power + 10.0 ** (np.float32(level) + tilt) * grain, dtype=np.float32)
    return placed


def normalised(mel: Float32, end: int, rng: Generator) -> Float32:
    """Scale the audio up to frame ``end`` as Whisper does, and pad it in one of two ways.

    WhisperX pads samples with zeros, which become the floor; faster-whisper pads the scaled features with zeros.
    """
    out = np.zeros_like(mel)
    out[:end] = scaled(mel[:end])
    if rng.random() < 0.5:
        out[end:] = (mel[:end].max() - 8 + 4) / 4
    return out


def mask(mel: Float32, rng: Generator) -> Float32:
    """Apply a mild SpecAugment in place: mask at most one band of frequencies and a few short times."""
    if rng.random() < 0.5:
        width = int(rng.integers(1, 11))
        first = int(rng.integers(0, BANDS - width))
        mel[:, first : first + width] = mel[:, first : first + width].mean()
    for _ in range(int(rng.integers(0, len(mel) // 400 + 1))):
        length = int(rng.integers(1, 9))
        first = int(rng.integers(0, len(mel) - length))
        mel[first : first + length] = mel.mean()
    return mel
