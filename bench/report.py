"""The report on the runs of two pipelines: a table of medians, and goals that are met or not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import jiwer

from bench.runs import STAGES, RunResult

FASTER = 3.0  # base size, 5 minutes, end to end with word times
FASTER_WITHOUT_ALIGN = 2.5


@dataclass(frozen=True, slots=True)
class Medians:
    """The medians over the runs of one pipeline: times in ms, memory in MB (2**20, the highest of the runs)."""

    total: float
    cpu: float
    stages: dict[str, float]
    load: float
    peak_mb: float
    result: RunResult  # the last run: its text and counts

    @property
    def without_align(self) -> float:
        """The total time without the alignment stage, in ms."""
        return self.total - self.stages.get("align", 0.0)


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a figure should keep, with the measured figure as text."""

    name: str
    met: bool
    measured: str

    def __str__(self) -> str:
        return f"{'PASS' if self.met else 'FAIL'}  {self.name}: {self.measured}"


def medians(results: Sequence[RunResult]) -> Medians:
    """Return the medians of the runs of one pipeline; a stage that a run lacks counts as 0 ms."""
    names = {name for result in results for name in result.stages}
    return Medians(
        total=median(result.total_ms for result in results),
        cpu=median(result.cpu_ms for result in results),
        stages={name: median(result.stages.get(name, 0.0) for result in results) for name in names},
        load=median(result.load_ms for result in results),
        peak_mb=max(result.peak_mb for result in results),
        result=results[-1],
    )


def table(ours: Medians, theirs: Medians) -> list[str]:
    """Return the lines of a table with a row for each stage; ``other`` is the time outside all stages.

    A ratio above 1 means that this pipeline is faster.
    """
    rows = [(name, ours.stages.get(name, 0.0), theirs.stages.get(name, 0.0)) for name in STAGES]
    rows += [("other", _other(ours), _other(theirs)), ("without align", ours.without_align, theirs.without_align)]
    rows += [("total", ours.total, theirs.total), ("processor time", ours.cpu, theirs.cpu)]
    lines = [f"{'ms':15}{'ours':>10}{'WhisperX':>10}{'ratio':>8}"]
    lines += [f"{name:15}{mine:10.0f}{other:10.0f}{_ratio(other, mine):>8}" for name, mine, other in rows]
    lines += [
        _row("x realtime", [f"{s.result.audio_seconds * 1e3 / s.total:.1f}" for s in (ours, theirs)]),
        _row("load, ms", [f"{s.load:.0f}" for s in (ours, theirs)]),
        _row("peak RSS, MB", [f"{s.peak_mb:.0f}" for s in (ours, theirs)]),
        _row("windows", [str(s.result.windows) for s in (ours, theirs)]),
        _row("tokens", [str(s.result.tokens) for s in (ours, theirs)]),
        _row("timed words", [str(s.result.words) for s in (ours, theirs)]),
    ]
    return lines


def speed_goals(ours: Medians, theirs: Medians) -> list[Goal]:
    """Return the goals for Whisper's base size: to be faster than WhisperX end to end, and without word times."""
    whole, part = theirs.total / ours.total, theirs.without_align / ours.without_align
    return [
        Goal(f"end to end with word times at least {FASTER}x", whole >= FASTER, f"{whole:.2f}x"),
        Goal(f"without word times at least {FASTER_WITHOUT_ALIGN}x", part >= FASTER_WITHOUT_ALIGN, f"{part:.2f}x"),
    ]


def memory_goal(ours: Medians, theirs: Medians) -> Goal:
    """Return the goal that the peak memory of this pipeline is not above that of WhisperX."""
    measured = f"{ours.peak_mb:.0f} MB against {theirs.peak_mb:.0f} MB"
    return Goal("peak memory not above WhisperX's", ours.peak_mb <= theirs.peak_mb, measured)


def wer_goal(ours: Medians, theirs: Medians, truth: str) -> Goal:
    """Return the goal that this pipeline's word error rate, against the text ``truth``, is not above WhisperX's."""
    mine, other = word_error_rate(truth, ours.result.text), word_error_rate(truth, theirs.result.text)
    return Goal("word error rate not above WhisperX's", mine <= other, f"{mine:.3f} against {other:.3f}")


def word_error_rate(truth: str, text: str) -> float:
    """Return the word error rate of ``text`` as a share, without case and punctuation."""
    return float(jiwer.wer(normalised(truth), normalised(text)))


def normalised(text: str) -> str:
    """Return the text in lower case, with letters, digits and apostrophes only."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def _other(of: Medians) -> float:
    return of.total - sum(of.stages.get(name, 0.0) for name in STAGES)


def _ratio(other: float, mine: float) -> str:
    return f"{other / mine:.2f}" if mine > 0.5 and other > 0.5 else "-"


def _row(name: str, values: Sequence[str]) -> str:
    return f"{name:15}" + "".join(f"{value:>10}" for value in values)
