"""The report on word times: a table of errors for each truth, and the goals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bench.report import Goal
from bench.word_times.errors import TimeErrors, figures
from bench.word_times.systems import OURS, SYSTEMS, HeardWord
from bench.word_times.truth import Known

MEDIAN_MS = {"attention": 60, "ctc": 40}  # goals for English
LATE_MS = 200  # goal for the 95th percentile
PUBLISHED = "WhisperX with its wav2vec2 alignment was not run: its weights were not at hand. Its authors publish a mean"
PUBLISHED += " error of 46 to 59 ms, on other recordings."

Found = Mapping[str, Mapping[str, Sequence[HeardWord]]]  # by system, by recording


def report(recordings: Sequence[Known], found: Found) -> list[str]:
    """Return the Markdown of the table and the goals, on the recordings that every system has transcribed."""
    names = [name for name in SYSTEMS if found.get(name)]
    common = [item for item in recordings if all(item.name in found[name] for name in names)]
    lines = [
        "Errors in ms: median / 95th percentile / mean of their sizes / median with its sign.",
        "",
        "| truth | language | system | starts | errors of starts | ends | errors of ends | words outside speech |",
        "|---|---|---|---|---|---|---|---|",
    ]
    results = {(group, name): _errors(group, name, common, found) for group in _groups(common) for name in names}
    for ((truth, language), name), errors in results.items():
        outside = f"{errors.outside} of {errors.heard}" if truth != "librivox_align" else ""
        lines.append(
            f"| {truth} | {language} | {name} | {len(errors.starts)} | {figures(errors.starts)} "
            f"| {len(errors.ends)} | {figures(errors.ends)} | {outside} |"
        )
    return [*lines, "", PUBLISHED, "", *(f"- {goal}" for goal in _goals(results))]


def _groups(recordings: Sequence[Known]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((item.truth, item.language) for item in recordings))


def _errors(group: tuple[str, str], name: str, recordings: Sequence[Known], found: Found) -> TimeErrors:
    chosen = [item for item in recordings if (item.truth, item.language) == group]
    return TimeErrors.total([TimeErrors.of(item, found[name][item.name]) for item in chosen])


def _goals(results: Mapping[tuple[tuple[str, str], str], TimeErrors]) -> Iterator[Goal]:
    for ((truth, language), name), errors in results.items():
        if name not in OURS or language != "en":
            continue
        for edge, sizes in (("starts", np.abs(errors.starts)), ("ends", np.abs(errors.ends))):
            if len(sizes):
                middle, late = (float(np.percentile(sizes, share)) * 1000 for share in (50, 95))
                bounds = f"at most {MEDIAN_MS[name]} ms at the median, {LATE_MS} at the 95th percentile"
                met = middle <= MEDIAN_MS[name] and late <= LATE_MS
                yield Goal(f"{name}, {truth}, {edge}: {bounds}", met, f"{middle:.0f} and {late:.0f} ms")
