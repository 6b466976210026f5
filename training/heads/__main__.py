"""Train, calibrate and measure the head of one checkpoint: ``python -m training.heads base --audio DIR``.

Needs espeak-ng and flite, and the recordings for the measurements. Windows and states are cached in the work folder.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
import torch

from server.checkpoints.catalog import Catalog
from server.checkpoints.encoder_weights import encoder_digest
from server.settings.stages import ModelSettings
from training import metrics
from training.corpus import WORK
from training.espeak import Espeak
from training.flite import Flite
from training.heads.card import write_card
from training.heads.fit import Example, train
from training.heads.measure import Quality, calibrated, errors, joined, published
from training.heads.speech import Speech, Voices, window
from training.heads.states import FrozenEncoder

WINDOWS = {"en": 180, "de": 80, "nl": 80}  # of 30 s
CALIBRATION_WINDOWS = 20  # in English, after those of training
READERS = {"en": "kathleen16k", "de": "kerstin_de", "nl": "nathalie_nl"}


def windows(voices: Voices, language: str, numbers: range) -> Iterator[Speech]:
    """Yield the synthetic windows with these numbers; a window depends on language and number alone."""
    for number in numbers:
        rng = Random(f"head {language} {number}")
        drawn = voices.utterances(language, rng)
        yield window(lambda drawn=drawn: next(drawn), rng)  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="an installed model, or the directory of one")
    parser.add_argument("--languages", nargs="+", default=["en"], choices=list(WINDOWS))
    parser.add_argument("--audio", type=Path, required=True, help="folder with MANIFEST.tsv and the recordings")
    parser.add_argument("--work", type=Path, default=WORK / "heads")
    parser.add_argument("--out", type=Path, default=Path("models/heads"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.nice(10)
    catalog = Catalog(ModelSettings())
    name, model = catalog.canonical(arguments.name), catalog.resolve(arguments.name)
    work = arguments.work / name
    encoder = FrozenEncoder(model)
    voices = Voices(model / "tokenizer.json", Espeak(), Flite())
    examples = []
    for language in arguments.languages:
        cache = work / language
        cache.mkdir(parents=True, exist_ok=True)
        for number, spoken in enumerate(windows(voices, language, range(WINDOWS[language]))):
            examples.append(Example.of(encoder.cached(cache / f"{number:04d}.npy", spoken.samples), spoken.words))
    print(f"{len(examples)} windows", flush=True)
    head = replace(train(examples), languages=tuple(arguments.languages))
    fresh = list(windows(voices, "en", range(WINDOWS["en"], WINDOWS["en"] + CALIBRATION_WINDOWS)))
    head = calibrated(head, encoder, fresh, work / "fresh")
    digest = encoder_digest(model / "model.bin")
    head.write(arguments.out / f"{name}.npz", np.float16, encoder=np.array(digest))
    truths: dict[str, Iterable[Speech]] = {"synthetic, calibrated on": fresh}
    truths["librivox_align"] = published(arguments.audio)
    truths |= {READERS[language]: joined(arguments.audio, READERS[language]) for language in arguments.languages}
    report = {}
    for speech, truth in truths.items():
        found = errors(head, encoder, truth, work / speech.split(",")[0])
        report[speech] = {edge: asdict(Quality.of(e)) for edge, e in zip(("start", "end"), found, strict=True)}
        print(speech, *report[speech].items(), sep="\n  ", flush=True)
    content = {"measured": datetime.now(UTC).date().isoformat(), "offsets": [head.start_offset, head.end_offset],
               "languages": arguments.languages, "sets": report}  # fmt: skip
    metrics.write_part(arguments.out / "metrics.json", name, content)
    write_card(arguments.out)


if __name__ == "__main__":
    main()
