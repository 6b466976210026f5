"""English clips that the demo model was never trained on, each at most a window long, in a mixed order.

The recordings are the held-out and the development clips of Kathleen, digit strings of the Free Spoken Digit Dataset,
LJSpeech, LibriSpeech, the Kennedy address, LibriVox, the short clips of PocketSphinx and Picovoice's test sentences.
The other clips are synthesised for ``training.evaluate``: the only kind of speech that the model understands well.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from kernels.mel.audio import SAMPLE_RATE
from training.recordings import Recording, digit_takes, joined_digits, kathleen, read_audio
from training.testsets import LONGEST, Clip, fsdd_set, synthetic_sets
from training.voices import Speakers

SYNTHESISED = 10  # of each of the six synthesised sets
FSDD_MORE = 8  # digit strings of each speaker beside those of training.testsets
UNHEARD = ("ljspeech", "librispeech", "librivox_align", "short", "lang", "en")
NAMES = {"ljspeech": "LJSpeech", "librispeech": "LibriSpeech", "librivox_align": "LibriVox", "short": "PocketSphinx"}
TWICE = ("openai_whisper__jfk.flac", "librosa_data__5703-47212-0000.ogg")  # the same speech is there in another file


@dataclass(frozen=True, slots=True)
class EnglishClip:
    """The 16 kHz samples of at most one window; ``text`` is the spoken text, None if it is not known."""

    name: str
    group: str
    samples: NDArray[np.float32]
    text: str | None


def clips(audio: Path) -> list[EnglishClip]:
    """Return every clip in a mixed order, in which each set is spread evenly over the list.

    Without the recordings in ``audio``, only the synthesised clips are returned.
    """
    sets = [*(recorded(audio) if (audio / "MANIFEST.tsv").is_file() else ()), *synthesised()]
    placed = [((number + 0.5) / len(clips), clip) for clips in sets for number, clip in enumerate(clips)]
    return [clip for _, clip in sorted(placed, key=lambda pair: (pair[0], pair[1].name))]


def recorded(audio: Path) -> Iterator[list[EnglishClip]]:
    """Yield the sets of clips in ``audio``, the folder with MANIFEST.tsv."""
    for split, name in (("test", "Kathleen, held-out clips"), ("dev", "Kathleen, development clips")):
        yield _fitting(_clip(clip, name) for clip in kathleen(audio, split))  # type: ignore[arg-type]
    rng = Random(3000)
    more = [joined_digits(takes, rng) for takes in digit_takes(audio).values() for _ in range(FSDD_MORE)]
    strings = [*fsdd_set(audio), *(Clip(samples, text) for text, samples in more)]
    yield _numbered("digit strings, real speakers (FSDD)", strings)
    for folder in UNHEARD:
        yield _fitting(_listed(audio, folder))


def synthesised() -> Iterator[list[EnglishClip]]:
    """Yield the first clips of each synthesised test set; needs the programs espeak-ng and flite."""
    for name, found in synthetic_sets("test", Speakers()).items():
        yield _numbered(name, found[:SYNTHESISED])


def _listed(audio: Path, folder: str) -> Iterator[EnglishClip]:
    """Yield the English clips of one folder of the manifest, with or without a text."""
    with (audio / "MANIFEST.tsv").open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["file"].startswith(f"{folder}/")]
    for row in sorted(rows, key=lambda row: row["file"]):
        path = audio / row["file"]
        english = row["lang"] == "en" or folder in ("ljspeech", "librispeech")
        if path.suffix in (".wav", ".flac", ".ogg") and english and path.name not in TWICE and path.is_file():
            yield EnglishClip(row["file"], NAMES.get(folder, "others"), read_audio(path), row["text"] or None)


def _clip(clip: Recording, group: str) -> EnglishClip:
    return EnglishClip(f"{clip.path.parent.name}/{clip.path.name}", group, read_audio(clip.path), clip.text)


def _numbered(group: str, found: list[Clip]) -> list[EnglishClip]:
    return [EnglishClip(f"{group} {number:02}", group, clip.samples, clip.text) for number, clip in enumerate(found)]


def _fitting(found: Iterator[EnglishClip]) -> list[EnglishClip]:
    return [clip for clip in found if len(clip.samples) <= LONGEST * SAMPLE_RATE]
