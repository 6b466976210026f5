"""Word error rates of this pipeline, faster-whisper and WhisperX on the same weights and recordings.

    python -m bench.accuracy --model base --work FOLDER [--write docs/accuracy.md]

Each system runs in its own process, one after the other. Its transcripts are kept in the work folder, so that an
interrupted run goes on, and a system is run once only: delete its file there to run it again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from bench.__main__ import machine
from bench.accuracy import systems
from bench.accuracy.clips import Clip, clips
from bench.accuracy.encoders import ENCODERS
from bench.accuracy.report import Scores, report, write_between_markers
from bench.accuracy.systems import OURS, PEERS
from bench.accuracy.transcripts import read, transcribe_all
from bench.benchmark_audio import ROOT
from bench.checkpoints import installed

AUDIO = ROOT.parent / "shared" / "audio"
SYSTEMS = (OURS, *(f"{OURS}-{encoder}" for encoder in ENCODERS), *PEERS)


def main() -> None:
    """Run every system that is asked for, then print the report, or write it into a page."""
    arguments = _parse()
    if not (arguments.audio / "MANIFEST.tsv").is_file():
        sys.exit(f"skipped: the recordings are not in {arguments.audio}")
    known = [clip for clip in clips(arguments.audio) if arguments.language in (None, clip.language)]
    wanted = known[: arguments.limit]
    if arguments.child:
        _run(arguments.child, wanted, arguments)
        return
    for name in arguments.systems if not arguments.report else ():
        subprocess.run([sys.executable, "-m", "bench.accuracy", *sys.argv[1:], "--child", name], check=True)
    scores = {name: Scores.of(wanted, read(_file(name, arguments))) for name in arguments.systems}
    scores = {name: system for name, system in scores.items() if system.errors}
    lines = (
        [f"{machine(arguments.threads)}; `{_command(arguments)}`", "", *report(scores)]
        if scores
        else ["no transcripts"]
    )
    print("\n".join(lines))
    if arguments.write:
        write_between_markers(arguments.write, f"accuracy {Path(arguments.model).name}", lines)


def _run(name: str, wanted: list[Clip], arguments: argparse.Namespace) -> None:
    """Transcribe the clips that the work folder has no transcript of."""
    path = _file(name, arguments)
    path.parent.mkdir(parents=True, exist_ok=True)
    done = read(path)
    if todo := [clip for clip in wanted if clip.file not in done]:
        transcribe = systems.load(name, installed(arguments.model), arguments.threads)
        transcribe_all(transcribe, todo, arguments.audio, path)


def _file(name: str, arguments: argparse.Namespace) -> Path:
    work: Path = arguments.work
    return work / f"{Path(arguments.model).name}-{name}.jsonl"


def _command(arguments: argparse.Namespace) -> str:
    """Return the command that runs these systems on these clips, without the folders of this machine."""
    words = ["python -m bench.accuracy --work FOLDER --model", Path(arguments.model).name]
    if arguments.language:
        words += ["--language", arguments.language]
    if arguments.limit:
        words += ["--limit", str(arguments.limit)]
    if arguments.systems != SYSTEMS:
        words += ["--systems", *arguments.systems]
    return " ".join(words)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="base", help="name of an installed model, or a directory")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--audio", type=Path, default=AUDIO, help="folder with MANIFEST.tsv and the recordings")
    parser.add_argument("--work", type=Path, required=True, help="folder for the transcripts of each system")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of every system")
    parser.add_argument("--language", help="take the clips of this language only")
    parser.add_argument("--limit", type=int, help="take this many clips from the front")
    parser.add_argument("--report", action="store_true", help="run nothing: report on what the work folder has")
    parser.add_argument("--write", type=Path, help="page to write the tables into, between its markers")
    parser.add_argument("--child", choices=SYSTEMS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
