"""The report on the transcripts of several systems: a table by set, one by language, and the goals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.accuracy.clips import Clip
from bench.accuracy.encoders import EXACT
from bench.accuracy.scoring import Errors, difference, total, word_errors
from bench.accuracy.systems import OURS, PEERS
from bench.accuracy.transcripts import Hypothesis
from bench.report import Goal

WORSE = 0.3  # points of word error rate over all clips: against the float32 encoder, and against the better peer
WORSE_WORDS = 3  # wrong words more than the float32 encoder, on a set in another language than English
EXACT_SYSTEM = f"{OURS}-{EXACT}"
SET = 20  # clips that make a set large enough for that


@dataclass(frozen=True, slots=True)
class Scores:
    """The errors of one system on the clips that it has transcribed, and those in which it heard another language."""

    clips: dict[str, Clip]
    errors: dict[str, Errors]
    misheard: frozenset[str]

    @staticmethod
    def of(clips: Sequence[Clip], heard: Mapping[str, Hypothesis]) -> Scores:
        """Count the errors of the transcripts ``heard``, by the file of each clip."""
        found = {clip.file: clip for clip in clips if clip.file in heard}
        errors = {file: word_errors(clip.text, heard[file].text, clip.language) for file, clip in found.items()}
        misheard = frozenset(file for file, clip in found.items() if heard[file].language != clip.language)
        return Scores(found, errors, misheard)

    def on(self, files: Sequence[str]) -> list[Errors]:
        """Return the errors on these clips, in this order."""
        return [self.errors[file] for file in files]


def report(scores: Mapping[str, Scores]) -> list[str]:
    """Return the Markdown of all tables and goals. Systems are compared on the clips that both have transcribed."""
    common = _shared(scores)
    lines = [f"Word error rate in %, on the {len(common)} clips that every system has transcribed:", ""]
    lines += _table(scores, common)
    further = {name: system for name, system in scores.items() if len(system.errors) > len(common)}
    if further and len(shared := _shared(further)) > len(common):
        lines += ["", f"On the {len(shared)} clips that some have transcribed:", "", *_table(further, shared)]
    return [*lines, "", *(f"- {line}" for line in _differences(scores)), "", *(f"- {goal}" for goal in goals(scores))]


def goals(scores: Mapping[str, Scores]) -> Iterator[Goal]:
    """Yield the goals of each encoder that was run: beside the float32 encoder, and beside the better peer."""
    for name, system in scores.items():
        if not name.startswith(OURS):
            continue
        if EXACT_SYSTEM in scores and name != EXACT_SYSTEM:
            yield from _beside_float32(name, system, scores[EXACT_SYSTEM])
        if peers := [scores[peer] for peer in PEERS if peer in scores]:
            yield _beside_peers(name, system, peers)


def _beside_float32(name: str, system: Scores, exact: Scores) -> Iterator[Goal]:
    files = [file for file in system.errors if file in exact.errors]
    more, low, high = difference(system.on(files), exact.on(files))
    measured = f"{more:+.2f} (95 % of resampled sets: {low:+.2f} to {high:+.2f}; {len(files)} clips)"
    yield Goal(f"{name} at most {WORSE} points above the float32 encoder", more <= WORSE, measured)
    for collection, some in _grouped(system, files, "collection").items():
        if len(some) >= SET and system.clips[some[0]].language != "en":
            words = total(system.on(some)).wrong - total(exact.on(some)).wrong
            goal = f"{name} at most {WORSE_WORDS} wrong words above the float32 encoder on {collection}"
            yield Goal(goal, words <= WORSE_WORDS, f"{words:+}")


def _beside_peers(name: str, system: Scores, peers: Sequence[Scores]) -> Goal:
    files = [file for file in system.errors if all(file in peer.errors for peer in peers)]
    more, low, high = max(difference(system.on(files), peer.on(files)) for peer in peers)
    measured = f"{more:+.2f} (95 % of resampled sets: {low:+.2f} to {high:+.2f}; {len(files)} clips)"
    return Goal(f"{name} at most {WORSE} points above the better peer", more <= WORSE, measured)


def _differences(scores: Mapping[str, Scores]) -> Iterator[str]:
    """Yield the difference of each encoder from each peer, on all clips that both have transcribed."""
    for name, system in scores.items():
        for peer in PEERS if name.startswith(OURS) else ():
            if peer in scores:
                files = [file for file in system.errors if file in scores[peer].errors]
                more, low, high = difference(system.on(files), scores[peer].on(files))
                interval = f"95 % of resampled sets between {low:+.2f} and {high:+.2f}"
                yield f"{name} less {peer}: {more:+.2f} points on {len(files)} clips, {interval}"


def _table(scores: Mapping[str, Scores], files: Sequence[str]) -> list[str]:
    lines = [f"| set | clips | words | {' | '.join(scores)} |", "|---" * (len(scores) + 3) + "|"]
    first = _first(scores)
    lines += [_row(name, scores, some) for name, some in _grouped(first, files, "collection").items()]
    lines += [_row(f"language {name}", scores, some) for name, some in _grouped(first, files, "language").items()]
    lines.append(_row("**all**", scores, files))
    misheard = [str(len(system.misheard.intersection(files))) for system in scores.values()]
    lines.append(f"| clips heard as another language | {len(files)} | | {' | '.join(misheard)} |")
    return lines


def _row(name: str, scores: Mapping[str, Scores], files: Sequence[str]) -> str:
    rates = [f"{total(system.on(files)).rate:.2f}" for system in scores.values()]
    words = total(_first(scores).on(files)).words
    return f"| {name} | {len(files)} | {words} | {' | '.join(rates)} |"


def _grouped(scores: Scores, files: Sequence[str], attribute: str) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for file in files:
        groups.setdefault(getattr(scores.clips[file], attribute), []).append(file)
    return dict(sorted(groups.items()))


def _shared(scores: Mapping[str, Scores]) -> list[str]:
    return [file for file in _first(scores).errors if all(file in system.errors for system in scores.values())]


def _first(scores: Mapping[str, Scores]) -> Scores:
    return next(iter(scores.values()))


def write_between_markers(page: Path, name: str, lines: Sequence[str]) -> None:
    """Replace what stands between ``<!-- name -->`` and ``<!-- /name -->`` in a page.

    Raises ValueError where the page lacks one of the two.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    text = page.read_text(encoding="utf-8")
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (opened and closed):
        raise ValueError(f"{page} lacks {begin.strip()} or {end}")
    page.write_text(before + begin + "\n".join(lines) + "\n" + end + after, encoding="utf-8")
