"""The test sets: sentences, voices and clips that training never used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from training.numbers import digit_string
from training.recordings import (
    Recording,
    digit_takes,
    joined_digits,
    kathleen,
    manifest,
    read_audio,
)
from training.sentences import Split, sentences, split_of, written
from training.utterance import Utterance
from training.voices import Cast, Speakers

Float32 = NDArray[np.float32]
Speak = Callable[[str, Random, Cast], Utterance]
CLIPS = 60
LONGEST = 29  # seconds: one window
GOALS = {
    "in-domain, seen voices": 0.08,
    "in-domain, unseen voices": 0.15,
    "digit strings, unseen synthetic voices": 0.04,
    "Kathleen, held-out clips": 0.45,
}


@dataclass(frozen=True, slots=True)
class Clip:
    """Samples (mono float32 at 16 kHz) and the text spoken in them."""

    samples: Float32
    text: str


def spoken(speak: Speak, texts: list[str], cast: Cast, seed: int) -> list[Clip]:
    """Synthesize each text with a random voice of ``cast``, the group of voices seen or unseen in training."""
    rng = Random(seed)
    return [Clip(speak(text, rng, cast).samples, text) for text in texts]


def sentence_texts(split: Split, seed: int, count: int = CLIPS) -> list[str]:
    """Return ``count`` different sentences of the domain from one split."""
    return list(islice(dict.fromkeys(islice(sentences(seed, split), 4 * count)), count))


def digit_texts(split: Split, seed: int, count: int) -> list[str]:
    """Return ``count`` digit strings from one split."""
    rng = Random(seed)
    drawn = (written(digit_string(rng)) for _ in range(10**6))
    return list(islice((text for text in drawn if split_of(text) == split), count))


def recorded(clips: list[Recording]) -> list[Clip]:
    """Load the recordings, and return those that are not longer than one window."""
    loaded = (Clip(read_audio(clip.path), clip.text) for clip in clips)
    return [clip for clip in loaded if len(clip.samples) <= LONGEST * 16_000]


def synthetic_sets(split: Split, speakers: Speakers) -> dict[str, list[Clip]]:
    """Return the sets of synthetic speech by name, one for each synthesizer and group of voices.

    The development split uses only the voices that training hears.
    """
    sets: dict[str, list[Clip]] = {}
    engines: dict[str, Speak] = {"eSpeak": speakers.espeak, "Flite": speakers.flite}
    casts: tuple[Cast, ...] = ("seen", "unseen") if split == "test" else ("seen",)
    for number, (engine, speak) in enumerate(engines.items()):
        for cast in casts:
            seed = 1000 + 10 * number + (cast == "unseen")
            texts = sentence_texts(split, seed)
            sets[f"in-domain, {cast} voices: {engine}"] = spoken(speak, texts, cast, seed)
            if cast == "unseen":
                digits = digit_texts(split, seed, CLIPS // 2)
                sets[f"digit strings, unseen synthetic voices: {engine}"] = spoken(speak, digits, cast, seed)
    return sets


def fsdd_set(audio: Path) -> list[Clip]:
    """Return five digit strings of each speaker of the Free Spoken Digit Dataset."""
    rng = Random(2000)
    joined = [joined_digits(takes, rng) for takes in digit_takes(audio).values() for _ in range(5)]
    return [Clip(samples, text) for text, samples in joined]


def all_sets(split: Split, audio: Path) -> dict[str, list[Clip]]:
    """Return every set of one split; sets with the same name before a colon are pooled in the report."""
    sets = synthetic_sets(split, Speakers())
    sets["Kathleen, held-out clips"] = recorded(kathleen(audio, split))
    if split == "test":
        sets["digit strings, real speakers (FSDD)"] = fsdd_set(audio)
        sets["open speech (LJSpeech, LibriSpeech)"] = recorded(
            manifest(audio, "ljspeech") + manifest(audio, "librispeech")
        )
        sets["Kennedy, 1961"] = recorded([c for c in manifest(audio, "en") if c.path.suffix == ".wav"])
    return sets
