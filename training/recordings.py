"""Real speech: the recordings that a MANIFEST.tsv lists, with exact text and licence.

The only recordings in the training are those of Kathleen (CC0). Every tenth clip of hers is for tests, and a few more
for development. The Free Spoken Digit Dataset (share-alike), LJSpeech, LibriSpeech and the Kennedy address are for
tests only.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from kernels.mel.audio import SAMPLE_RATE, Float32
from training.numbers import DIGITS
from training.sentences import Split, normalise, written


@dataclass(frozen=True, slots=True)
class Recording:
    """A clip and the text spoken in it, written as the model writes: sentence case, no inner punctuation."""

    path: Path
    speaker: str
    text: str


def read_audio(path: Path) -> Float32:
    """Read a file as mono float32 at 16 kHz."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return resample(samples.mean(axis=1), rate)


def from_int16(samples: NDArray[np.int16]) -> Float32:
    """Convert int16 samples to float32 in [-1, 1)."""
    scaled: Float32 = samples.astype(np.float32) / np.float32(32768)
    return scaled


def resample(samples: Float32, rate: int) -> Float32:
    """Resample from ``rate`` to 16 kHz with a polyphase filter."""
    if rate == SAMPLE_RATE:
        return samples
    divisor = int(np.gcd(rate, SAMPLE_RATE))
    resampled: Float32 = resample_poly(samples, SAMPLE_RATE // divisor, rate // divisor).astype(np.float32)
    return resampled


def manifest(root: Path, folder: str) -> list[Recording]:
    """Return the clips of ``folder`` that the MANIFEST.tsv in ``root`` lists with a text, in order of their names."""
    return [Recording(path, folder, plain(text)) for path, text in manifest_texts(root, folder)]


def manifest_texts(root: Path, folder: str) -> list[tuple[Path, str]]:
    """Return path and exact text of the clips of ``folder`` that have a text, in order of their names."""
    with (root / "MANIFEST.tsv").open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["file"].startswith(f"{folder}/")]
    clips = [
        (root / row["file"], row["text"])
        for row in rows
        if row["text"] and row["file"].endswith((".wav", ".flac")) and (root / row["file"]).is_file()
    ]
    return sorted(clips, key=lambda clip: clip[0].name)


def plain(text: str) -> str:
    """Reduce a text, also one in capitals, to letters and apostrophes in sentence case with a final full stop."""
    text = text.replace("’", "'").replace("-", " ")
    text = text.lower() if text.isupper() else text
    return written(" ".join(re.sub(r"[^A-Za-z' ]", " ", text).split()) or "-")


def kathleen(root: Path, split: Split) -> list[Recording]:
    """Return one split of the clips of Kathleen; a training clip never has the text of a held-out one."""
    clips = manifest(root, "kathleen16k")
    held: dict[Split, list[Recording]] = {"test": clips[5::10], "dev": clips[7::40]}
    if split != "train":
        return held[split]
    texts = {normalise(clip.text) for clips in held.values() for clip in clips}
    return [clip for clip in clips if normalise(clip.text) not in texts]


def digit_takes(root: Path) -> dict[str, dict[str, list[Path]]]:
    """Return the recordings of single digits by speaker and word; for tests only, as the licence is share-alike."""
    takes: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted((root / "fsdd").glob("*.wav")):
        digit, speaker, _ = path.stem.split("_")
        takes[speaker][DIGITS[int(digit)]].append(path)
    return takes


def joined_digits(takes: dict[str, list[Path]], rng: Random) -> tuple[str, Float32]:
    """Join single takes of one speaker to a digit string, with 0.1 to 0.3 s between them; return text and samples."""
    words = [rng.choice(DIGITS) for _ in range(rng.randint(4, 9))]
    parts = [np.zeros(SAMPLE_RATE // 5, np.float32)]
    for word in words:
        parts += [read_audio(rng.choice(takes[word])), np.zeros(rng.randint(1600, 4800), np.float32)]
    return written(" ".join(words)), np.concatenate(parts)
