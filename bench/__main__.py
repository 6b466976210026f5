"""A benchmark of this pipeline beside WhisperX's own, on the same recording with the same weights.

    python -m bench --help

Each run is a fresh process that loads the models and transcribes a warm-up recording before the clock starts; the two
pipelines take turns. Both use int8, beam 5, batches of 8 windows, the same threads and the same language.
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

from bench import checkpoints
from bench.benchmark_audio import ROOT, BenchmarkAudio, NoAudio, benchmark_audio
from bench.report import Goal, Medians, medians, memory_goal, speed_goals, table, wer_goal
from bench.runs import RunResult, RunSettings, read_result

CACHE = Path(platformdirs.user_cache_dir("whisperx-npu")) / "bench"
SIDES = {"ours": "bench.whisperx_npu_side", "theirs": "bench.whisperx_side"}  # the module of each pipeline


def main() -> None:
    """Run the benchmark for each model and print its report."""
    arguments = _parse()
    try:
        recording = benchmark_audio(arguments.seconds, arguments.cache)
    except NoAudio as error:
        sys.exit(f"skipped: {error}")
    print(machine(arguments.threads))
    print(f"recording: {recording.source}, {arguments.repeats} runs of each side")
    report: dict[str, Any] = {"machine": machine(arguments.threads), "command": sys.argv, "models": {}}
    for name in arguments.models:
        directory = checkpoints.whisper(name, arguments.cache)
        if directory is None:
            print(f"\n{name}: skipped, it is not here")
            continue
        runs = compare(_settings(name, directory, recording, arguments), arguments.repeats)
        ours, theirs = medians(runs["ours"]), medians(runs["theirs"])
        goals = _goals(name, ours, theirs, recording)
        _print(name, ours, theirs, goals)
        report["models"][name] = {
            "runs": {key: [asdict(run) for run in of] for key, of in runs.items()},
            "targets": [asdict(goal) for goal in goals],
        }
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def compare(settings: RunSettings, repeats: int) -> dict[str, list[RunResult]]:
    """Run both pipelines ``repeats`` times, in alternating order, and return the results by name in SIDES."""
    runs: dict[str, list[RunResult]] = {name: [] for name in SIDES}
    for repeat in range(repeats):
        for name in SIDES if repeat % 2 == 0 else reversed(SIDES):
            runs[name].append(child(name, settings))
    return runs


def child(name: str, settings: RunSettings) -> RunResult:
    """Run the pipeline ``name`` of SIDES in a process of its own, and return its result.

    If the process fails, this one exits with its messages.
    """
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "result.json"
        command = [sys.executable, "-m", SIDES[name], json.dumps(asdict(settings)), str(target)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
        return read_result(target)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--models", nargs="+", choices=(*checkpoints.SIZES, "demo"), default=["tiny", "base", "demo"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=300.0, help="length of the recording")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of both sides")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for models and recording")
    parser.add_argument("--json", type=Path, help="file for the results of every run")
    return parser.parse_args()


def _settings(name: str, directory: Path, recording: BenchmarkAudio, arguments: argparse.Namespace) -> RunSettings:
    return RunSettings(
        audio=str(recording.path),
        warm_up=str(recording.warm_up),
        model=str(directory),
        align=True,
        align_model=str(checkpoints.wav2vec2(arguments.cache)),
        threads=arguments.threads,
        max_new_tokens=None if name == "demo" else checkpoints.RANDOM_TOKENS,
    )


def _goals(name: str, ours: Medians, theirs: Medians, recording: BenchmarkAudio) -> list[Goal]:
    goals = [memory_goal(ours, theirs)]
    if name == "base":
        goals += speed_goals(ours, theirs)
    if name == "demo" and recording.text:
        goals.append(wer_goal(ours, theirs, recording.text))
    return goals


def _print(name: str, ours: Medians, theirs: Medians, goals: list[Goal]) -> None:
    weights = (
        "" if name == "demo" else f" (random weights, {checkpoints.RANDOM_TOKENS} tokens per window on both sides)"
    )
    print(f"\n{name}{weights}, {ours.result.audio_seconds:.0f} s of audio")
    for notes in (ours.result.notes, theirs.result.notes):
        print("  " + ", ".join(f"{key}: {value}" for key, value in notes.items()))
    print("\n".join(["", *table(ours, theirs), "", *map(str, goals)]))


def machine(threads: int) -> str:
    """Return date, processor, cores, threads and Python as one line."""
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
