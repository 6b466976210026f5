"""Recordings with known word edges: LibriVox clips with published times, and clips joined with pauses.

The edges of joined clips are known by construction: each clip is cut where its sound begins and ends, so its first word
starts and its last word ends at the cut. The pauses of a recording are digital silence or faint noise, by chance.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from bench.accuracy.clips import Clip, clips
from kernels.mel.audio import SAMPLE_RATE, Float32

SEED = 13
CLIPS_IN_A_RECORDING = 9
RECORDINGS = {"en": 48, "de": 16, "nl": 10}  # 74 * 9 clips have 1,332 edges, most of them in words that are heard
COLLECTIONS = {"en": ("kathleen16k",), "de": ("kerstin_de", "lang"), "nl": ("nathalie_nl",)}
PAUSES = 0.3, 20.0  # seconds, log-uniform
NOISE = 3e-4  # standard deviation of the noise in half of the pauses: -70 dB of full scale
FRAME = SAMPLE_RATE // 200  # 5 ms
FAINT = 10**-2  # amplitude of the faintest sound beside the loudest: 40 dB
ABOVE_FLOOR = 10**0.4  # amplitude of the faintest sound beside the background: 8 dB
LABEL = re.compile(r"\(\d+\)$")  # the number of a pronunciation, in the published times


@dataclass(frozen=True, slots=True)
class KnownWord:
    """A word that is spoken, with its start and end in seconds where they are known."""

    text: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A recording with the words in it. ``pauses`` are (start, end) in seconds, without speech as they were made."""

    name: str
    truth: str
    language: str
    samples: Float32
    words: tuple[KnownWord, ...]
    pauses: tuple[tuple[float, float], ...] = ()


def known_recordings(audio: Path) -> Iterator[Known]:
    """Yield all recordings of the bench; ``audio`` is the folder with MANIFEST.tsv."""
    yield from librivox(audio)
    for language in RECORDINGS:
        yield from joined(audio, language)


def librivox(audio: Path) -> Iterator[Known]:
    """Yield the LibriVox clips with the published times of their words, which are an aligner's."""
    for path in sorted((audio / "librivox_align").glob("*.json")):
        if path.name.endswith(".phone.json"):
            continue
        words = tuple(
            KnownWord(LABEL.sub("", word["t"]), word["b"], word["b"] + word["d"])
            for word in json.loads(path.read_text(encoding="utf-8"))["w"]
            if word["t"][0] not in "<["
        )
        yield Known(path.stem, "librivox_align", "en", _read(path.with_suffix(".wav")), words)


def joined(audio: Path, language: str) -> Iterator[Known]:
    """Yield recordings of one language, made of clips of its collections; the same for every run."""
    chosen = [
        clip
        for clip in clips(audio)
        if clip.language == language and clip.collection in COLLECTIONS[language] and len(clip.text.split()) > 1
    ]
    rng = Random(f"{SEED} {language}")
    queue: list[Clip] = []
    for number in range(RECORDINGS[language]):
        while len(queue) < CLIPS_IN_A_RECORDING:
            queue += rng.sample(chosen, len(chosen))
        taken, queue = queue[:CLIPS_IN_A_RECORDING], queue[CLIPS_IN_A_RECORDING:]
        yield _join(f"{language}-{number:02}", language, taken, audio, rng)


def _join(name: str, language: str, taken: Sequence[Clip], audio: Path, rng: Random) -> Known:
    noise = np.random.default_rng(rng.randrange(2**32))
    level = NOISE if rng.random() < 0.5 else 0.0
    parts: list[Float32] = []
    words: list[KnownWord] = []
    pauses: list[tuple[float, float]] = []
    clock = 0
    for clip in taken:
        seconds = PAUSES[0] * (PAUSES[1] / PAUSES[0]) ** rng.random()
        pause = (level * noise.standard_normal(int(seconds * SAMPLE_RATE))).astype(np.float32)
        speech = sounding(_read(audio / clip.file))
        parts += [pause, speech]
        start = clock + len(pause)
        pauses.append((clock / SAMPLE_RATE, start / SAMPLE_RATE))
        clock = start + len(speech)
        first, *middle, last = clip.text.split()
        words += [
            KnownWord(first, start=start / SAMPLE_RATE),
            *map(KnownWord, middle),
            KnownWord(last, end=clock / SAMPLE_RATE),
        ]
    return Known(name, "joined clips", language, np.concatenate(parts), tuple(words), tuple(pauses))


def sounding(samples: Float32) -> Float32:
    """Cut a clip where its sound begins and ends: where the amplitude in 5 ms rises above its background."""
    whole = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    amplitude = np.sqrt(np.square(whole, dtype=np.float64).mean(axis=1))
    loud, floor = np.percentile(amplitude, [95, 5])
    smooth = np.convolve(amplitude, np.ones(3) / 3, mode="same")
    above = np.flatnonzero(smooth > max(loud * FAINT, min(floor * ABOVE_FLOOR, loud / 10)))
    return samples[above[0] * FRAME : (above[-1] + 1) * FRAME]


def _read(path: Path) -> Float32:
    from server.pipeline.stages.decode import AudioStream

    return np.concatenate([*AudioStream(path)])
