"""Measure the CTC head's word times: ``python -m training.align_quality --model models/demo --audio DIR``.

First the constant offsets are calibrated on fresh synthetic speech, whose times the synthesizers know. Then the errors
are measured on LibriVox readers, whom neither training nor calibration has used.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from server.pipeline.stages.ctc import CtcHead
from training import metrics
from training.recordings import read_audio
from training.served import Served
from training.testsets import sentence_texts
from training.utterance import Span
from training.voices import Speakers

GOAL_SECONDS = 0.04
CALIBRATION_CLIPS = 80

TimedClip = tuple[NDArray[np.float32], tuple[Span, ...]]
Errors = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quality:
    """Statistics of the errors of word times, in seconds; ``within_*`` are shares of the words."""

    words: int
    median_absolute: float
    mean_absolute: float
    median_signed: float
    within_50_ms: float
    within_100_ms: float

    @classmethod
    def of(cls, errors: Errors) -> Quality:
        size = np.abs(errors)
        figures = (np.median(size), size.mean(), np.median(errors), (size <= 0.05).mean(), (size <= 0.1).mean())
        return cls(len(errors), *(round(float(figure), 4) for figure in figures))


def timed_speech(speakers: Speakers) -> list[TimedClip]:
    """Return development sentences spoken by both synthesizers, with word times; those without times are left out."""
    rng = Random(3000)
    spoken = [
        speak(text, rng, "seen")
        for speak in (speakers.flite, speakers.espeak)
        for text in sentence_texts("dev", 3000, CALIBRATION_CLIPS)
    ]
    return [(utterance.samples, utterance.words) for utterance in spoken if utterance.words is not None]


def librivox(audio: Path) -> list[TimedClip]:
    """Return the LibriVox clips with their published word times."""
    return [(read_audio(path), words) for path, words in librivox_times(audio)]


def librivox_times(audio: Path) -> list[tuple[Path, tuple[Span, ...]]]:
    """Return the paths of the LibriVox clips with their published word times."""
    clips = []
    for path in sorted((audio / "librivox_align").glob("*.json")):
        if path.name.endswith(".phone.json"):
            continue
        words = tuple(
            Span(re.sub(r"\(\d+\)$", "", word["t"]), word["b"], word["b"] + word["d"])
            for word in json.loads(path.read_text())["w"]
            if word["t"][0] not in "<["
        )
        clips.append((path.with_suffix(".wav"), words))
    return clips


def errors(model: Served, head: CtcHead, clips: Iterable[TimedClip]) -> tuple[Errors, Errors]:
    """Return found minus true times of all words, in seconds: the errors of the starts, and those of the ends."""
    starts, ends = [], []
    for samples, words in clips:
        found = head.words(model.states(samples), [word.label for word in words])
        for word, times in zip(words, found, strict=True):
            if times is not None:
                starts.append(times[0] - word.start)
                ends.append(times[1] - word.end)
    return np.array(starts), np.array(ends)


def calibrated(model: Served, clips: list[TimedClip]) -> CtcHead:
    """Return the model's CTC head with the offsets that make the median errors of starts and ends on ``clips`` zero."""
    plain = replace(model.head, start_offset=0.0, end_offset=0.0)
    starts, ends = errors(model, plain, clips)
    return replace(plain, start_offset=-float(np.median(starts)), end_offset=-float(np.median(ends)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/demo"))
    parser.add_argument("--audio", type=Path, required=True, help="folder with librivox_align")
    parser.add_argument("--write", type=Path, help="store head and errors: the path of metrics.json")
    arguments = parser.parse_args()
    model = Served(arguments.model)
    known = timed_speech(Speakers())
    head = calibrated(model, known)
    print(f"offsets: start {head.start_offset:+.3f} s, end {head.end_offset:+.3f} s")
    report = {}
    for name, clips in (("synthetic, calibrated on", known), ("LibriVox", librivox(arguments.audio))):
        report[name] = {
            edge: Quality.of(found) for edge, found in zip(("start", "end"), errors(model, head, clips), strict=True)
        }
        print(name, *report[name].items(), sep="\n  ")
    if arguments.write:
        head.save(arguments.model)
        content = {
            "measured": datetime.now(UTC).date().isoformat(),
            "goal": GOAL_SECONDS,
            "sets": {name: {edge: asdict(q) for edge, q in edges.items()} for name, edges in report.items()},
        }
        metrics.write_part(arguments.write, "word_times", content)


if __name__ == "__main__":
    main()
