"""Make the training corpus, as shards of features on disk: ``python -m training.corpus --work DIR --audio DIR``.

A shard is one .npz: float16 log-mels of all its utterances end to end, their phones every 20 ms, and a table of
texts, voices and lengths. Shard n of the synthetic speech depends on n alone, so it can be made again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from kernels.mel.audio import SAMPLE_RATE
from training import features
from training.numbers import DIGITS
from training.recordings import kathleen, read_audio
from training.sentences import Prompts, normalise, sentences
from training.utterance import UNKNOWN, Utterance, phone_track
from training.voices import Speakers

WORK = Path.home() / ".cache/whisperx-npu-train"  # not in the server's cache, which people empty
PER_SHARD = 1000
OPEN_SHARE, NUMERIC_SHARE = 0.2, 0.2
FLITE_SHARE = 0.25
PAUSED_SHARE = 0.35
SHORTEST, LONGEST = 0.3, 11.0  # seconds


@dataclass(frozen=True, slots=True)
class Example:
    """The features of one utterance: mel float16 [frames, 80], phones int8 [frames // 2]."""

    text: str
    voice: str
    mel: NDArray[np.float16]
    phones: NDArray[np.int8]


def example(utterance: Utterance) -> Example | None:
    """Trim the silence of an utterance and return its features; None if it is too short or too long to train on."""
    samples, cut = features.trim(utterance.samples)
    if not SHORTEST <= len(samples) / SAMPLE_RATE <= LONGEST:
        return None
    mel = features.log_mel(samples).astype(np.float16)
    phones = phone_track(utterance.phones, len(mel) // 2, cut)
    return Example(utterance.text, utterance.voice, mel[: 2 * len(phones)], phones)


def write_shard(path: Path, examples: Iterable[Example]) -> float:
    """Write examples to ``path`` atomically, and return the hours of audio in them."""
    items = list(examples)
    table = json.dumps([(item.text, item.voice, len(item.phones)) for item in items])
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(
            file,
            mel=np.concatenate([item.mel for item in items]),
            phones=np.concatenate([item.phones for item in items]),
            table=np.array(table),
        )
    partial.replace(path)
    return sum(len(item.mel) for item in items) / features.FRAMES_PER_SECOND / 3600


def read_shard(path: Path) -> list[Example]:
    """Return the examples of one shard; their arrays are views of two large ones."""
    with np.load(path) as stored:
        mel, phones, table = stored["mel"], stored["phones"], json.loads(str(stored["table"]))
    examples, at = [], 0
    for text, voice, length in table:
        examples.append(Example(text, voice, mel[2 * at : 2 * (at + length)], phones[at : at + length]))
        at += length
    return examples


def synthetic(shard: int, speakers: Speakers, prompts: Prompts) -> Iterator[Example]:
    """Yield the examples of the synthetic shard number ``shard``.

    Shares of them are open and numeric sentences instead of sentences of the domain, and a share is spoken by Flite
    instead of eSpeak.
    """
    rng = Random(f"corpus {shard}")
    texts = sentences(rng.randrange(2**31), "train", prompts, OPEN_SHARE, NUMERIC_SHARE)
    made = 0
    while made < PER_SHARD:
        speak = speakers.flite if rng.random() < FLITE_SHARE else speakers.espeak
        text = next(texts)
        found = example(replace(speak(as_spoken(text, rng), rng), text=text))
        if found is not None:
            made += 1
            yield found


def as_spoken(text: str, rng: Random) -> str:
    """Return the text for the synthesizer; some digit strings get a pause after each digit."""
    words = normalise(text).split()
    return ", ".join(words) if set(words) <= set(DIGITS) and rng.random() < PAUSED_SHARE else text


def real(audio: Path) -> Iterator[Example]:
    """Yield examples of the training clips of Kathleen, a real speaker; their phones are not known."""
    for clip in kathleen(audio, "train"):
        found = example(Utterance(clip.text, clip.speaker, read_audio(clip.path)))
        if found is not None:
            yield Example(found.text, found.voice, found.mel, np.full_like(found.phones, UNKNOWN))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--audio", type=Path, required=True, help="folder with MANIFEST.tsv and the recordings")
    parser.add_argument("--shards", type=int, default=22, help="about 0.6 h each")
    arguments = parser.parse_args()
    os.nice(10)
    folder = arguments.work / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "kathleen.npz").exists():
        print(f"kathleen {write_shard(folder / 'kathleen.npz', real(arguments.audio)):.2f} h", flush=True)
    prompts = Prompts.of([clip.text for clip in kathleen(arguments.audio, "train")])
    speakers = Speakers()
    for shard in range(arguments.shards):
        path = folder / f"synthetic-{shard:03d}.npz"
        if not path.exists():
            begun = time.monotonic()
            hours = write_shard(path, synthetic(shard, speakers, prompts))
            print(f"{path.stem} {hours:.2f} h in {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
