"""Transcripts of both sides, clip by clip, as lines of JSON, and what they add up to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jiwer

from bench.report import Target
from training.sentences import normalise

IDENTICAL = 0.99  # share of the transcripts
WORSE = 0.2  # points of word error rate
SERVED = "int8"  # the decoder's arithmetic in a server with default settings
SYNTHESISED = ("in-domain", "digit strings, unseen")  # how the names of synthesised sets begin


@dataclass(frozen=True, slots=True)
class Texts:
    """What both sides made of a clip with one decoder.

    ``gap``, where they differ, is how much likelier the CPU's text is than the NPU's by the CPU's own states: the
    difference of their mean log probabilities of a token. About 0: a tie, to this model.
    """

    cpu: str
    npu: str
    gap: float | None = None

    @property
    def identical(self) -> bool:
        return self.cpu == self.npu


@dataclass(frozen=True, slots=True)
class Compared:
    """One clip.

    ``error`` is the relative L2 distance of the NPU's encoder states from the CPU's, ``decoders`` are the texts by the
    decoder's arithmetic, ``seconds`` is processor time, ``digest`` stands for the NPU's states to the bit.
    """

    clip: str
    group: str
    precision: str
    truth: str | None
    error: float
    decoders: dict[str, Texts]
    seconds: float
    digest: str = ""

    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Rates:
    """Clips with one decoder. Word error rates in per cent, of the clips whose text is known."""

    clips: int
    identical: int
    words: int
    cpu: float
    npu: float

    @staticmethod
    def of(results: Sequence[Compared], decoder: str) -> Rates:
        texts = [(normalise(one.truth), one.decoders[decoder]) for one in results if one.truth is not None]
        truths = [truth for truth, _ in texts]
        return Rates(
            clips=len(results),
            identical=sum(one.decoders[decoder].identical for one in results),
            words=sum(len(truth.split()) for truth in truths),
            cpu=_word_error_rate(truths, [found.cpu for _, found in texts]),
            npu=_word_error_rate(truths, [found.npu for _, found in texts]),
        )

    @property
    def share(self) -> float:
        return self.identical / self.clips


def read(path: Path) -> list[Compared]:
    """The lines of a file of results; a line that was cut off is passed over, and a clip counts once."""
    results: dict[str, Compared] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            stored: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError:
            continue
        texts = {name: Texts(**found) for name, found in stored.pop("decoders").items()}
        results[stored["clip"]] = Compared(**stored, decoders=texts)
    return list(results.values())


def report(results: Sequence[Compared]) -> list[str]:
    """A table in Markdown, the targets, and every difference with both texts."""
    lines = ["| clips | | decoder | identical | words | WER CPU | WER NPU |", "|---|---|---|---|---|---|---|"]
    for decoder in results[0].decoders:
        lines += [_row(name, decoder, Rates.of(some, decoder)) for name, some in _parts(results, decoder) if some]
    errors = sorted(one.error for one in results)
    lines.append(f"\nencoder states, relative L2: median {errors[len(errors) // 2]:.4f}, worst {errors[-1]:.4f}")
    return [*lines, *map(str, targets(Rates.of(results, SERVED))), *differences(results)]


def _parts(results: Sequence[Compared], decoder: str) -> Iterator[tuple[str, list[Compared]]]:
    yield "recordings", [one for one in results if not one.group.startswith(SYNTHESISED)]
    yield "synthesised", [one for one in results if one.group.startswith(SYNTHESISED)]
    yield "all", list(results)
    yield "half the words right", [one for one in results if _half_right(one, decoder)]


def _half_right(one: Compared, decoder: str) -> bool:
    """Whether the CPU gets at least half of the words that are known to be said."""
    truth = normalise(one.truth or "")
    return bool(truth) and _word_error_rate([truth], [one.decoders[decoder].cpu]) <= 50.0


def targets(rates: Rates) -> list[Target]:
    worse = rates.npu - rates.cpu
    return [
        Target(f"identical at least {IDENTICAL:.0%}", rates.share >= IDENTICAL, f"{rates.share:.1%}"),
        Target(f"WER at most {WORSE} points worse", worse <= WORSE, f"{worse:+.2f}"),
    ]


def differences(results: Sequence[Compared]) -> Iterator[str]:
    """As Markdown, in order of the clips."""
    for one in sorted(results, key=lambda one: one.clip):
        for decoder, texts in one.decoders.items():
            if not texts.identical:
                gap = "" if texts.gap is None else f", gap {texts.gap:.3f}"
                yield f"- {one.clip}, decoder {decoder}{gap}  "
                yield f"  said: {one.truth or 'not known'}  "
                yield f"  CPU: {texts.cpu}  "
                yield f"  NPU: {texts.npu}"


def _row(name: str, decoder: str, rates: Rates) -> str:
    cells = (f"{rates.identical} ({rates.share:.1%})", rates.words, f"{rates.cpu:.2f} %", f"{rates.npu:.2f} %")
    return f"| {name} | {rates.clips} | {decoder} | " + " | ".join(map(str, cells)) + " |"


def _word_error_rate(truths: list[str], texts: list[str]) -> float:
    return 100 * float(jiwer.wer(truths, [normalise(text) for text in texts])) if truths else 0.0
