"""A load benchmark of the server, over loopback, with the demo model.

    python -m bench.load            # all scenes
    python -m bench.load clip       # one scene

Every scene has a server of its own on a free port and a bounded number of clients in this process. The program prints a
line for each goal: the wait of a clip beside files of ten minutes, the gain of many requests at once, the cost of
clients that leave, the growth of memory, and the requests that are lost if the engine is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile

from bench.benchmark_audio import RATE, benchmark_audio
from bench.load_scenes import (
    CLIENTS,
    CLIP_SECONDS,
    FILE_SECONDS,
    NOTE_SECONDS,
    SCENES,
    TALK_SECONDS,
    Figure,
    percentile,
)
from bench.load_server import serving

# Samples at a higher temperature differ from run to run, and this scene compares texts.
ENVIRONMENT = {"killed": {"WHISPERX_NPU_DECODE__TEMPERATURES": "[0.0]"}}


async def run(scenes: Sequence[str], requests: int, audio: Mapping[float, Path]) -> list[Figure]:
    """Run each scene on a server of its own; print and return its figures, and the p99 of /livez over all scenes."""
    figures: list[Figure] = []
    livez: list[float] = []
    for scene in scenes:
        async with serving(audio, ENVIRONMENT.get(scene, {}), CLIENTS) as server:
            for figure in await SCENES[scene](server, requests):
                print(figure, flush=True)
                figures.append(figure)
            livez += server.livez_seconds
    last = Figure("/livez throughout, p99", percentile(livez, 99) * 1e3, "ms", 100.0, how=f"{len(livez)} calls")
    print(last, flush=True)
    return [*figures, last]


def recordings(folder: Path) -> dict[float, Path]:
    """Write a recording of speech of each length that the scenes send; return the paths by seconds."""
    samples, _ = soundfile.read(benchmark_audio(300.0, folder).path, dtype="int16")
    audio = {}
    for seconds in (CLIP_SECONDS, NOTE_SECONDS, TALK_SECONDS, FILE_SECONDS):
        audio[seconds] = folder / f"{seconds:g}s.flac"
        soundfile.write(audio[seconds], np.resize(samples, int(seconds * RATE)), RATE)
    return audio


def main() -> None:
    """Run the scenes; the exit status is 1 if a figure misses its bound."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("scenes", nargs="*", choices=list(SCENES), help="all when none is named")
    parser.add_argument("--requests", type=int, default=1000, help="for the memory scene")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the start")
    with tempfile.TemporaryDirectory() as folder:
        audio = recordings(Path(folder))
        figures = asyncio.run(run(arguments.scenes or list(SCENES), arguments.requests, audio))
    sys.exit(not all(figure.met for figure in figures))


if __name__ == "__main__":
    main()
