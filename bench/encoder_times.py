"""The time and memory of each CPU encoder for one window of 30 s.

    python -m bench.encoder_times --model base
    ONEDNN_MAX_CPU_ISA=AVX2 python -m bench.encoder_times   # as on a processor without AVX-512: caps OpenVINO only

Each row is a fresh process. The shortest of several runs counts, in wall time and in the processor time of all threads.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

import numpy as np

from bench.__main__ import machine
from bench.accuracy.encoders import ENCODERS
from bench.timing import Timer, peak_mb, status_mb
from kernels.mel.audio import MEL_FRAMES
from server.checkpoints.catalog import Catalog
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import ModelSettings


def main() -> None:
    """Print a row for every encoder and number of threads."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.encoder_times", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="base", help="name of an installed model, or a directory")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--child", choices=tuple(ENCODERS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(measure(arguments.child, arguments.model, arguments.threads[0], arguments.repeats))
        return
    print(f"{machine(max(arguments.threads))}; load {os.getloadavg()[0]:.1f}; ONEDNN_MAX_CPU_ISA {_cap()}")
    print("| encoder | threads | ms | processor ms | added MB | peak MB of the process |", "|---" * 6 + "|", sep="\n")
    for name in ENCODERS:
        for threads in arguments.threads:
            chosen = ["--child", name, "--model", arguments.model, "--threads", str(threads)]
            command = [sys.executable, "-m", "bench.encoder_times", *chosen, "--repeats", str(arguments.repeats)]
            subprocess.run(command, check=True)


def measure(name: str, model: str, threads: int, repeats: int) -> str:
    """Return the row of one encoder, measured in this process, which holds the checkpoint in CTranslate2 as well."""
    settings = ModelSettings(threads=threads)
    checkpoint = Checkpoint(Catalog(settings).resolve(model), settings)
    mel = np.random.default_rng(0).uniform(-1, 1, (1, checkpoint.n_mels, MEL_FRAMES)).astype(np.float32)
    before = status_mb("VmRSS")
    encoder = ENCODERS[name](checkpoint)
    encoder(mel)
    times = []
    for _ in range(repeats):
        time.sleep(0.05)
        timer = Timer()
        encoder(mel)
        times.append(timer.read())
    wall, cpu = (min(values) for values in zip(*times, strict=True))
    added = status_mb("VmRSS") - before
    return f"| {name} | {threads} | {wall:.0f} | {cpu:.0f} | {added:.0f} | {peak_mb():.0f} |"


def _cap() -> str:
    return os.environ.get("ONEDNN_MAX_CPU_ISA", "none")


if __name__ == "__main__":
    main()
