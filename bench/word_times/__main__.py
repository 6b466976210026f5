"""Errors of word times by this pipeline's aligners and faster-whisper, on the same weights and recordings.

    python -m bench.word_times --model base --work FOLDER [--write docs/accuracy.md]

The words of each system are kept in the work folder, so that an interrupted run goes on, and a system is run once only:
delete its file there to run it again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import soundfile

from bench.__main__ import machine
from bench.accuracy.report import write_between_markers
from bench.benchmark_audio import ROOT
from bench.checkpoints import installed
from bench.word_times.report import report
from bench.word_times.systems import SYSTEMS, HeardWord, load
from bench.word_times.truth import Known, known_recordings
from kernels.mel.audio import SAMPLE_RATE

AUDIO = ROOT.parent / "shared" / "audio"


def main() -> None:
    """Run every system that is asked for, then print the report, or write it into a page."""
    arguments = _parse()
    if not (arguments.audio / "MANIFEST.tsv").is_file():
        sys.exit(f"skipped: the recordings are not in {arguments.audio}")
    recordings = [*known_recordings(arguments.audio)][: arguments.limit]
    name = Path(arguments.model).name
    found: dict[str, dict[str, list[HeardWord]]] = {}
    for system in arguments.systems:
        path = arguments.work / f"words-{name}-{system}.jsonl"
        if not arguments.report:
            _run(system, recordings, arguments, path)
        found[system] = _read(path)
    command = f"python -m bench.word_times --work FOLDER --model {name}"
    command += f" --limit {arguments.limit}" if arguments.limit else ""
    lines = [f"{machine(arguments.threads)}; `{command}`", "", *report(recordings, found)]
    print("\n".join(lines))
    if arguments.write:
        write_between_markers(arguments.write, f"word times {name}", lines)


def _run(system: str, recordings: Sequence[Known], arguments: argparse.Namespace, path: Path) -> None:
    """Transcribe the recordings that the work folder has no words of, one after the other."""
    done = _read(path)
    todo = [item for item in recordings if item.name not in done]
    transcribe = load(system, installed(arguments.model), arguments.threads) if todo else None
    if transcribe is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file, tempfile.TemporaryDirectory() as folder:
        for item in todo:
            recording = Path(folder) / "recording.wav"
            soundfile.write(recording, item.samples, SAMPLE_RATE, "FLOAT")
            words = transcribe(recording, item.language)
            file.write(json.dumps([item.name, [asdict(word) for word in words]], ensure_ascii=False) + "\n")
            file.flush()
            print(f"{system}: {item.name}", file=sys.stderr, flush=True)


def _read(path: Path) -> dict[str, list[HeardWord]]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return {name: [HeardWord(**word) for word in words] for name, words in map(json.loads, lines)}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.word_times", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="base", help="name of an installed model, or a directory")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--audio", type=Path, default=AUDIO, help="folder with MANIFEST.tsv and the recordings")
    parser.add_argument("--work", type=Path, required=True, help="folder for the words of each system")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of every system")
    parser.add_argument("--limit", type=int, help="take this many recordings from the front")
    parser.add_argument("--report", action="store_true", help="run nothing: report on what the work folder has")
    parser.add_argument("--write", type=Path, help="page to write the table into, between its markers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
