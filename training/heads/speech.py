"""Windows of synthetic speech with the times of all words: utterances, pauses between them, rooms, noise and levels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, resample_poly

from kernels.mel.audio import SAMPLE_RATE, WINDOW_SAMPLES, Float32
from training.espeak import Espeak
from training.flite import Flite
from training.heads.texts import Words
from training.sentences import sentences
from training.utterance import Span, Utterance
from training.voices import ACCENTS, VARIANTS

FLITE_SHARE = 0.55  # of the English utterances: its statistical voices are nearer to people than eSpeak's
FLITE_VOICES = ("slt", "slt", "awb", "awb", "rms", "rms", "kal16")
OPEN_SHARE = 0.65  # of the English texts: random words; the others are sentences of the demo model's domain
ALONE_SHARE = 0.06  # windows with one utterance, as long as it: what a short clip looks like
LOUDNESS = 0.05  # root mean square of an utterance before the window's level
VOICES = {"en": [f"gmw/{accent}" for accent in ACCENTS["seen"]], "de": ["gmw/de"], "nl": ["gmw/nl"]}

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Speech:
    """Samples, float32 mono at 16 kHz, and the words that are spoken in them."""

    samples: Float32
    words: tuple[Span, ...]


class Voices:
    """Synthetic voices of one language, which speak random texts; ``tokenizer`` is a tokenizer.json of Whisper."""

    def __init__(self, tokenizer: Path, espeak: Espeak, flite: Flite) -> None:
        self._tokenizer = tokenizer
        self._espeak = espeak
        self._flite = flite
        self._words: dict[str, Words] = {}

    def utterances(self, language: str, rng: Random) -> Iterator[Speech]:
        """Yield utterances without end; those whose words the synthesizer joins, and so does not time, are left out."""
        words = self._words.setdefault(language, Words.of(self._tokenizer, language))
        domain = sentences(rng.randrange(2**31), "train")
        while True:
            text = words.sentence(rng) if language != "en" or rng.random() < OPEN_SHARE else next(domain)
            spoken = self._spoken(text, language, rng)
            if spoken.words and all(spelled(word.label) for word in spoken.words):
                yield _trimmed(_at_speed(spoken, rng.uniform(0.87, 1.15) if rng.random() < 0.7 else 1.0), rng)

    def _spoken(self, text: str, language: str, rng: Random) -> Utterance:
        if language == "en" and rng.random() < FLITE_SHARE:
            voice = rng.choice(FLITE_VOICES)
            pitch = float(rng.randint(80, 160)) if voice == "kal16" else None
            return self._flite.speak(text, voice, stretch=rng.uniform(0.8, 1.3), pitch=pitch)
        variant = "" if rng.random() < 0.2 else "+" + rng.choice(VARIANTS["seen"])
        return self._espeak.speak(
            text,
            rng.choice(VOICES[language]) + variant,
            rate=rng.choice((175, rng.randint(120, 225))),
            pitch=rng.choice((50, rng.randint(20, 80))),
            pitch_range=rng.choice((50, rng.randint(25, 75))),
        )


def spelled(word: str) -> str:
    """Return a word without marks, in lower case."""
    return re.sub(r"[^\w']|[\d_]", "", word.lower())


def window(draw: Callable[[], Speech], rng: Random) -> Speech:
    """Return a window of at most 30 s: utterances with pauses of 0 to 4 s, then a channel, noise and a level."""
    samples = np.zeros(WINDOW_SAMPLES, np.float32)
    words: list[Span] = []
    alone = rng.random() < ALONE_SHARE
    at = rng.choice((0.0, rng.uniform(0.0, 1.5)))
    while at < 29:
        drawn = draw()
        begin = int(at * SAMPLE_RATE)
        end = begin + len(drawn.samples)
        if end > len(samples):
            if words:
                break
            continue
        level = LOUDNESS * 10 ** (rng.gauss(0, 2) / 20) / max(1e-6, float(np.sqrt((drawn.samples**2).mean())))
        samples[begin:end] = level * drawn.samples
        words += [Span(w.label, w.start + begin / SAMPLE_RATE, w.end + begin / SAMPLE_RATE) for w in drawn.words]
        at = (
            end / SAMPLE_RATE
            + rng.choices((rng.uniform(0, 0.15), rng.uniform(0.15, 1), rng.uniform(1, 4)), (0.35, 0.45, 0.2))[0]
        )
        if alone:
            samples = samples[: int(at * SAMPLE_RATE)]
            break
    return Speech(_recorded(samples, rng), tuple(words))


def _recorded(samples: Float32, rng: Random) -> Float32:
    """Return samples as a microphone would give them: tilted, with a room, band limited, with noise, at some level."""
    noise = np.random.default_rng(rng.randrange(2**31))
    length = len(samples)
    if rng.random() < 0.25:
        samples = np.convolve(samples, [1, rng.uniform(-0.6, 0.6)])[:length].astype(np.float32)
    if rng.random() < 0.25:
        samples = fftconvolve(samples, _room(rng, noise))[:length].astype(np.float32)
    if rng.random() < 0.08:
        samples = resample_poly(resample_poly(samples, 1, 2), 2, 1)[:length]
    ratio = rng.choice((rng.uniform(10, 30), rng.uniform(30, 60), None))  # speech to noise, in dB
    if ratio is not None:
        samples = samples + LOUDNESS * 10 ** (-ratio / 20) * _noise(length, rng, noise)
    recorded: Float32 = np.clip(samples * 10 ** (rng.uniform(-20, 6) / 20), -1, 1).astype(np.float32)
    return recorded


def _room(rng: Random, noise: Rng) -> Float32:
    seconds = np.arange(SAMPLE_RATE // 4) / SAMPLE_RATE
    echo: NDArray[np.float64] = noise.normal(0, 1, len(seconds)) * np.exp(-seconds / rng.uniform(0.02, 0.08))
    echo *= rng.uniform(0.05, 0.35) / np.sqrt((echo**2).sum())
    echo[0] = 1
    room: Float32 = echo.astype(np.float32)
    return room


def _noise(length: int, rng: Random, noise: Rng) -> Float32:
    """Return noise of root mean square 1, white or falling with frequency."""
    spectrum = np.fft.rfft(noise.normal(0, 1, length))
    if rng.random() < 0.6:
        spectrum /= np.maximum(np.arange(len(spectrum)), 30) ** rng.uniform(0.3, 0.9)
    samples = np.fft.irfft(spectrum, length)
    scaled: Float32 = (samples / np.sqrt((samples**2).mean())).astype(np.float32)
    return scaled


def _at_speed(spoken: Utterance, factor: float) -> Speech:
    """Resample an utterance, which changes tempo and pitch alike."""
    ratio = Fraction(factor).limit_denominator(20)
    samples = resample_poly(spoken.samples, ratio.denominator, ratio.numerator).astype(np.float32)
    words = spoken.words or ()
    return Speech(samples, tuple(Span(spelled(w.label), w.start / float(ratio), w.end / float(ratio)) for w in words))


def _trimmed(speech: Speech, rng: Random) -> Speech:
    """Cut an utterance 20 to 150 ms before its first word and after its last, and fade the ends over 10 ms."""
    first, last = speech.words[0].start - rng.uniform(0.02, 0.15), speech.words[-1].end + rng.uniform(0.02, 0.15)
    begin = max(0, int(first * SAMPLE_RATE))
    samples = speech.samples[begin : int(last * SAMPLE_RATE)].copy()
    fade = min(SAMPLE_RATE // 100, len(samples) // 2)
    samples[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    shift = begin / SAMPLE_RATE
    return Speech(samples, tuple(Span(w.label, w.start - shift, w.end - shift) for w in speech.words))
