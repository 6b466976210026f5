"""The transcripts of CPU and NPU, clip by clip, as lines of JSON, and the report on them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jiwer

from bench.report import Goal
from training.sentences import normalise

IDENTICAL = 0.99  # share of the transcripts
WORSE = 0.2  # points of word error rate
SERVED = "int8"  # the decoder's arithmetic in a server with default settings
SYNTHESISED = ("in-domain", "digit strings, unseen")  # how the names of synthesised sets begin


@dataclass(frozen=True, slots=True)
class Transcripts:
    """The texts of one clip by one decoder, from the CPU's and from the NPU's encoder states.

    ``gap`` is None for equal texts. Otherwise it is the mean log probability of a token of the CPU's text less that of
    the NPU's, both by the CPU's states: about 0 is a tie to this model.
    """

    cpu: str
    npu: str
    gap: float | None = None

    @property
    def identical(self) -> bool:
        """True if the texts are equal character for character."""
        return self.cpu == self.npu


@dataclass(frozen=True, slots=True)
class ClipResult:
    """The transcripts of one clip with the encoder of the CPU and that of the NPU, and the states' distance.

    ``error`` is the relative L2 distance of the NPU's encoder states from the CPU's, ``decoders`` has the texts by the
    decoder's arithmetic, ``seconds`` is processor time, ``digest`` is a hash of the NPU's states.
    """

    clip: str
    group: str
    precision: str
    truth: str | None
    error: float
    decoders: dict[str, Transcripts]
    seconds: float
    digest: str = ""

    def line(self) -> str:
        """Return the result as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Rates:
    """Counts and word error rates of clips with one decoder; rates are in per cent, of clips whose text is known."""

    clips: int
    identical: int
    words: int
    cpu: float
    npu: float

    @staticmethod
    def of(results: Sequence[ClipResult], decoder: str) -> Rates:
        """Return the rates of these results with ``decoder``, a key of their ``decoders``."""
        texts = [(normalise(result.truth), result.decoders[decoder]) for result in results if result.truth is not None]
        truths = [truth for truth, _ in texts]
        return Rates(
            clips=len(results),
            identical=sum(result.decoders[decoder].identical for result in results),
            words=sum(len(truth.split()) for truth in truths),
            cpu=_word_error_rate(truths, [found.cpu for _, found in texts]),
            npu=_word_error_rate(truths, [found.npu for _, found in texts]),
        )

    @property
    def share(self) -> float:
        """The share of clips with identical texts."""
        return self.identical / self.clips


def read(path: Path) -> list[ClipResult]:
    """Return the results in a file of JSON lines; of several lines for a clip the last counts.

    A line that was cut off is skipped, and a missing file has no results.
    """
    results: dict[str, ClipResult] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            stored: dict[str, Any] = json.loads(line)
        except json.JSONDecodeError:
            continue
        texts = {name: Transcripts(**found) for name, found in stored.pop("decoders").items()}
        results[stored["clip"]] = ClipResult(**stored, decoders=texts)
    return list(results.values())


def report(results: Sequence[ClipResult]) -> list[str]:
    """Return the report as lines of Markdown: a table of rates, the goals, and every difference with both texts."""
    lines = ["| clips | | decoder | identical | words | WER CPU | WER NPU |", "|---|---|---|---|---|---|---|"]
    for decoder in results[0].decoders:
        lines += [_row(name, decoder, Rates.of(some, decoder)) for name, some in _parts(results, decoder) if some]
    errors = sorted(result.error for result in results)
    lines.append(f"\nencoder states, relative L2: median {errors[len(errors) // 2]:.4f}, worst {errors[-1]:.4f}")
    return [*lines, *map(str, goals(Rates.of(results, SERVED))), *differences(results)]


def _parts(results: Sequence[ClipResult], decoder: str) -> Iterator[tuple[str, list[ClipResult]]]:
    yield "recordings", [result for result in results if not result.group.startswith(SYNTHESISED)]
    yield "synthesised", [result for result in results if result.group.startswith(SYNTHESISED)]
    yield "all", list(results)
    yield "half the words right", [result for result in results if _half_right(result, decoder)]


def _half_right(result: ClipResult, decoder: str) -> bool:
    """Return whether the text is known and the CPU's transcript has at least half of its words right."""
    truth = normalise(result.truth or "")
    return bool(truth) and _word_error_rate([truth], [result.decoders[decoder].cpu]) <= 50.0


def goals(rates: Rates) -> list[Goal]:
    """Return two goals, met or missed: the share of identical transcripts, and the word error rate beside the CPU's."""
    worse = rates.npu - rates.cpu
    return [
        Goal(f"identical at least {IDENTICAL:.0%}", rates.share >= IDENTICAL, f"{rates.share:.1%}"),
        Goal(f"WER at most {WORSE} points worse", worse <= WORSE, f"{worse:+.2f}"),
    ]


def differences(results: Sequence[ClipResult]) -> Iterator[str]:
    """Yield the clips whose two transcripts differ as lines of Markdown, in order of the clips."""
    for result in sorted(results, key=lambda result: result.clip):
        for decoder, texts in result.decoders.items():
            if not texts.identical:
                gap = "" if texts.gap is None else f", gap {texts.gap:.3f}"
                yield f"- {result.clip}, decoder {decoder}{gap}  "
                yield f"  said: {result.truth or 'not known'}  "
                yield f"  CPU: {texts.cpu}  "
                yield f"  NPU: {texts.npu}"


def _row(name: str, decoder: str, rates: Rates) -> str:
    cells = (f"{rates.identical} ({rates.share:.1%})", rates.words, f"{rates.cpu:.2f} %", f"{rates.npu:.2f} %")
    return f"| {name} | {rates.clips} | {decoder} | " + " | ".join(map(str, cells)) + " |"


def _word_error_rate(truths: list[str], texts: list[str]) -> float:
    return 100 * float(jiwer.wer(truths, [normalise(text) for text in texts])) if truths else 0.0
