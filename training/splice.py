"""Make more examples of one real voice: ``python -m training.splice``, once the encoder recognises phones well.

The half-trained model aligns the training clips of Kathleen to their texts. Its phone times become her frame labels,
and phrases cut at its word times are joined to utterances that she never spoke.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import torch

from server.pipeline.stages.ctc import FRAME_SECONDS
from server.pipeline.stages.ctc_path import forced_align, frames_needed
from training.corpus import WORK, Example, read_shard, write_shard
from training.export import ctc_head, load_average
from training.features import BANDS, FLOOR, scaled
from training.flite import Flite
from training.network import DemoWhisper
from training.sentences import normalise, written
from training.utterance import PHONES, UNKNOWN

PADDING = 40  # mel frames of near silence after a clip
NOISE = -6.5  # log10 of its power
WEAKEST = 0.05  # share of the clips, by the aligner's score, that are not cut
MARGIN = 4  # encoder frames kept around a phrase where a pause allows it


@dataclass(frozen=True, slots=True)
class Aligned:
    """A clip, its words as written, their (first, after) encoder frames, and the aligner's mean score."""

    clip: Example
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    score: float


def phone_classes(text: str, flite: Flite) -> list[int]:
    """Return the phones that Flite would speak, without its pauses, as indices into PHONES."""
    phones = flite.speak(text, "kal16").phones
    return [PHONES.index(phone.label) for phone in phones if phone.label in PHONES and phone.label != "pau"]


@torch.no_grad()
def align(model: DemoWhisper, clip: Example, flite: Flite) -> Aligned | None:
    """Label the phones of a clip and find its words; return None if the text does not fit the audio."""
    mel = np.pad(clip.mel.astype(np.float32), ((0, PADDING), (0, 0)), constant_values=FLOOR)
    features = scaled(np.log10(10.0**mel + np.float32(10.0**NOISE), dtype=np.float32))
    states = model.encode(torch.from_numpy(features.T[None].copy()))
    phones = phone_classes(clip.text, flite)
    found = ctc_head(model).words(states[0].numpy(), clip.text.rstrip(".").split())
    if len(clip.phones) < frames_needed(phones) or any(word is None for word in found):
        return None
    probabilities = model.phones(states[0]).log_softmax(-1).numpy()
    track = np.full(len(clip.phones), PHONES.index("pau"), np.int8)
    for (first, after, _), phone in zip(forced_align(probabilities, phones), phones, strict=True):
        track[first:after] = phone
    times = [word for word in found if word is not None]
    spans = tuple((round(start / FRAME_SECONDS), round(end / FRAME_SECONDS)) for start, end, _ in times)
    score = float(np.mean([score for *_, score in times]))
    return Aligned(replace(clip, phones=track), tuple(clip.text.rstrip(".").split()), spans, score)


def phrase(source: Aligned, rng: Random) -> tuple[list[str], Example]:
    """Cut one to five neighbouring words out of a clip at random; return the words and their features."""
    length = rng.randint(1, min(5, len(source.words)))
    first = rng.randint(0, len(source.words) - length)
    last = first + length - 1
    before = source.spans[first - 1][1] if first else 0
    after = source.spans[last + 1][0] if last + 1 < len(source.words) else len(source.clip.phones)
    start = max((before + source.spans[first][0]) // 2, source.spans[first][0] - MARGIN)
    end = min((after + source.spans[last][1] + 1) // 2, source.spans[last][1] + MARGIN)
    words = list(source.words[first : last + 1])
    if first == 0 and words[0] != "I" and not words[0].startswith("I'"):
        words[0] = words[0].lower()
    clip = source.clip
    return words, replace(clip, mel=clip.mel[2 * start : 2 * end], phones=clip.phones[start:end])


def spliced(sources: list[Aligned], rng: Random) -> Iterator[Example]:
    """Yield new utterances without end, each joined from two to four phrases of random clips."""
    while True:
        pieces = [phrase(rng.choice(sources), rng) for _ in range(rng.randint(2, 4))]
        text = written(" ".join(word for words, _ in pieces for word in words))
        mel = np.concatenate([piece.mel for _, piece in pieces])
        phones = np.concatenate([piece.phones for _, piece in pieces])
        if len(mel) == 2 * len(phones) and len(mel) <= 1000 and normalise(text):
            yield Example(text, "kathleen-spliced", mel.reshape(-1, BANDS), phones)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--count", type=int, default=1500)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, _, _ = load_average(arguments.work)
    flite, corpus = Flite(("kal16",)), arguments.work / "corpus"
    clips = [replace(clip, phones=np.full_like(clip.phones, UNKNOWN)) for clip in read_shard(corpus / "kathleen.npz")]
    pairs = [(clip, align(model, clip, flite)) for clip in clips]
    write_shard(corpus / "kathleen.npz", [clip if found is None else found.clip for clip, found in pairs])
    aligned = sorted((found for _, found in pairs if found is not None), key=lambda found: found.score)
    stream = spliced(aligned[int(WEAKEST * len(aligned)) :], Random(5))
    hours = write_shard(corpus / "spliced.npz", [next(stream) for _ in range(arguments.count)])
    print(f"{len(aligned)} of {len(clips)} clips aligned, mean score {np.mean([a.score for a in aligned]):.2f}")
    print(f"{arguments.count} utterances joined, {hours:.2f} h")


if __name__ == "__main__":
    main()
