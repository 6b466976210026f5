"""This pipeline beside WhisperX's own, on the same recording with the same weights: ``python -m bench --help``.

Each run is a fresh process, with models loaded and one warm-up run before the clock starts; the two sides take turns.
Both use int8, beam 5, batches of 8 windows, the same threads, and the language given.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs

from bench import models
from bench.report import Side, Target, memory_target, side, speed_targets, table, wer_target
from bench.speech import ROOT, NoSpeech, Speech, speech
from bench.task import Result, Task, read_result

CACHE = Path(platformdirs.user_cache_dir("whisperx-npu")) / "bench"
SIDES = ("ours", "theirs")


def main() -> None:
    arguments = _parse()
    try:
        recording = speech(arguments.seconds, arguments.cache)
    except NoSpeech as error:
        sys.exit(f"skipped: {error}")
    print(_machine(arguments.threads))
    print(f"recording: {recording.source}, {arguments.repeats} runs of each side")
    report: dict[str, Any] = {"machine": _machine(arguments.threads), "command": sys.argv, "models": {}}
    for name in arguments.models:
        directory = models.whisper(name, arguments.cache)
        if directory is None:
            print(f"\n{name}: skipped, it is not here")
            continue
        runs = compare(_task(name, directory, recording, arguments), arguments.repeats)
        ours, theirs = side(runs["ours"]), side(runs["theirs"])
        targets = _targets(name, ours, theirs, recording)
        _print(name, ours, theirs, targets)
        report["models"][name] = {
            "runs": {key: [asdict(run) for run in of] for key, of in runs.items()},
            "targets": [asdict(target) for target in targets],
        }
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def compare(task: Task, repeats: int) -> dict[str, list[Result]]:
    """Runs of both sides, in alternating order."""
    runs: dict[str, list[Result]] = {name: [] for name in SIDES}
    for repeat in range(repeats):
        for name in SIDES if repeat % 2 == 0 else SIDES[::-1]:
            runs[name].append(child(name, task))
    return runs


def child(name: str, task: Task) -> Result:
    """One run of one side in its own process; its messages appear only when it fails."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "result.json"
        command = [sys.executable, "-m", f"bench.{name}", json.dumps(asdict(task)), str(target)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
        return read_result(target)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--models", nargs="+", choices=(*models.SIZES, "demo"), default=["tiny", "base", "demo"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=300.0, help="length of the recording")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of both sides")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where models and recording are kept")
    parser.add_argument("--json", type=Path, help="write every run there")
    return parser.parse_args()


def _task(name: str, directory: Path, recording: Speech, arguments: argparse.Namespace) -> Task:
    return Task(
        audio=str(recording.path),
        warm_up=str(recording.warm_up),
        model=str(directory),
        align=True,
        align_model=str(models.wav2vec2(arguments.cache)),
        threads=arguments.threads,
        max_new_tokens=None if name == "demo" else models.RANDOM_TOKENS,
    )


def _targets(name: str, ours: Side, theirs: Side, recording: Speech) -> list[Target]:
    targets = [memory_target(ours, theirs)]
    if name == "base":
        targets += speed_targets(ours, theirs)
    if name == "demo" and recording.text:
        targets.append(wer_target(ours, theirs, recording.text))
    return targets


def _print(name: str, ours: Side, theirs: Side, targets: list[Target]) -> None:
    what = "" if name == "demo" else f" (random weights, {models.RANDOM_TOKENS} tokens per window on both sides)"
    print(f"\n{name}{what}, {ours.result.audio_seconds:.0f} s of audio")
    for notes in (ours.result.notes, theirs.result.notes):
        print("  " + ", ".join(f"{key}: {value}" for key, value in notes.items()))
    print("\n".join(["", *table(ours, theirs), "", *map(str, targets)]))


def _machine(threads: int) -> str:
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    cpu = names[0] if names else platform.processor()
    cores = f"{len(names) or os.cpu_count()} cores, {threads} threads"
    return f"{datetime.now(UTC):%Y-%m-%d}, {cpu}, {cores}, Python {platform.python_version()}"


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    main()
