"""Measure word error rates of an exported model: ``python -m training.evaluate --model models/demo --audio DIR``.

``--split dev`` is for use while training runs; ``--write`` stores the figures of the test split for the card.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import jiwer

from training import metrics
from training.sentences import normalise
from training.served import Served
from training.testsets import GOALS, Clip, all_sets


@dataclass(frozen=True, slots=True)
class Score:
    """The error rates of one test set as shares; ``goal`` is the intended word error rate, None if there is none."""

    clips: int
    words: int
    wer: float
    cer: float
    goal: float | None = None


def score(pairs: list[tuple[str, str]], goal: float | None = None) -> Score:
    """Compute the error rates of (reference, hypothesis) pairs, both normalised."""
    references, hypotheses = (list(side) for side in zip(*pairs, strict=True))
    return Score(
        clips=len(pairs),
        words=sum(len(reference.split()) for reference in references),
        wer=round(jiwer.wer(references, hypotheses), 4),
        cer=round(jiwer.cer(references, hypotheses), 4),
        goal=goal,
    )


def transcribed(model: Served, clips: list[Clip], beam_size: int, timestamps: bool) -> list[tuple[str, str]]:
    return [(normalise(clip.text), normalise(model.transcribe(clip.samples, beam_size, timestamps))) for clip in clips]


def evaluate(
    model: Served, sets: dict[str, list[Clip]], beam_size: int, timestamps: bool, show: int
) -> dict[str, Score]:
    """Transcribe the clips of every set, and return the scores by name: first those of pools, then those of the sets.

    A pool joins the sets whose names are equal before a colon. The first ``show`` transcripts of a set are printed.
    """
    pools: dict[str, list[tuple[str, str]]] = defaultdict(list)
    scores: dict[str, Score] = {}
    for name, clips in sets.items():
        pairs = transcribed(model, clips, beam_size, timestamps)
        pool = name.partition(":")[0]
        pools[pool] += pairs
        scores[name] = score(pairs, GOALS.get(name))
        print(f"{name:58} {scores[name].clips:4} clips  WER {scores[name].wer:.3f}", flush=True)
        for reference, hypothesis in pairs[:show]:
            print(f"    {reference}\n  > {hypothesis}")
    pooled = {name: score(pairs, GOALS.get(name)) for name, pairs in pools.items() if name not in scores}
    return {**pooled, **scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/demo"))
    parser.add_argument("--audio", type=Path, required=True, help="folder with MANIFEST.tsv and the recordings")
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--timestamps", action="store_true", help="let the decoder write timestamp tokens")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="print this many transcripts of each set")
    parser.add_argument("--write", type=Path, help="store the scores in this metrics.json")
    arguments = parser.parse_args()
    begun = time.monotonic()
    sets = all_sets(arguments.split, arguments.audio)
    model = Served(arguments.model, arguments.threads)
    scores = evaluate(model, sets, arguments.beam, arguments.timestamps, arguments.show)
    for name, found in scores.items():
        print(f"{name:58} WER {found.wer:.3f}  CER {found.cer:.3f}  goal {found.goal or '-'}")
    print(f"{time.monotonic() - begun:.0f} s")
    if arguments.write:
        content = {
            "measured": datetime.now(UTC).date().isoformat(),
            "decoder": f"CTranslate2 int8 on the CPU, faster-whisper, beam {arguments.beam}, no timestamps",
            "sets": {name: asdict(found) for name, found in scores.items()},
        }
        metrics.write_part(arguments.write, "word_error_rate", content)


if __name__ == "__main__":
    main()
