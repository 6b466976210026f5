"""A measurement of memory over a long recording.

    python -m bench.memory --help

It has two passes, each in its own process: decoding, voice activity detection and cutting into windows over the whole
recording, then the whole session over its first part. Memory that grows with the recording would show at once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from bench import checkpoints
from bench.__main__ import CACHE
from bench.benchmark_audio import RATE, ROOT, Samples, benchmark_audio
from bench.timing import peak_mb, status_mb

MARKS = (0.1, 0.5, 1.0)
FLAT_MB = 64.0  # growth that the second half may add: a buffer of 30 minutes of samples would exceed it


@dataclass(frozen=True, slots=True)
class Growth:
    """The memory of one pass over a recording.

    ``resident`` has the resident memory in MB (2**20) when each share of the recording in MARKS had been read;
    ``count`` is the number of windows or segments.
    """

    what: str
    hours: float
    resident: list[float]
    peak_mb: float
    count: int
    unit: str
    seconds: float

    @property
    def flat(self) -> bool:
        """True if memory grew by at most FLAT_MB in the second half."""
        return self.resident[-1] - self.resident[1] <= FLAT_MB

    def __str__(self) -> str:
        marks = ", ".join(f"{mark:.0%}: {mb:.0f} MB" for mark, mb in zip(MARKS, self.resident, strict=True))
        verdict = "PASS" if self.flat else "FAIL"
        return (
            f"{verdict}  {self.what}, {self.hours:g} h, {self.count} {self.unit} in {self.seconds:.0f} s: "
            f"{marks}, peak {self.peak_mb:.0f} MB"
        )


def main() -> None:
    """Measure each pass in a child process and print its memory; with ``--child``, measure one pass in this process."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--hours", type=float, default=4.0, help="of decoding, detection and windows")
    parser.add_argument("--session-hours", type=float, default=1.0, help="of the whole session")
    parser.add_argument("--model", choices=(*checkpoints.SIZES, "demo"), default="demo")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for models and recordings")
    parser.add_argument("--child", choices=("windows", "session"), help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        growth = measure(arguments.child, arguments.hours, arguments.model, arguments.cache)
        arguments.result.write_text(json.dumps(asdict(growth)), encoding="utf-8")
        return
    for child, hours in (("windows", arguments.hours), ("session", arguments.session_hours)):
        print(run(child, hours, arguments.model, arguments.cache), flush=True)


def run(child: str, hours: float, model: str, cache: Path) -> Growth:
    """Measure one pass, "windows" or "session", in a fresh process."""
    long_recording(hours, cache)
    with tempfile.TemporaryDirectory() as directory:
        result = Path(directory) / "growth.json"
        command = [sys.executable, "-m", "bench.memory", "--child", child, "--hours", str(hours), "--model", model]
        subprocess.run([*command, "--cache", str(cache), "--result", str(result)], cwd=ROOT, check=True)
        return Growth(**json.loads(result.read_bytes()))


def measure(child: str, hours: float, model: str, cache: Path) -> Growth:
    """Measure one pass, "windows" or "session", in this process."""
    recording = long_recording(hours, cache)
    start = time.perf_counter()
    marks = [hours * 3600 * mark for mark in MARKS[:-1]]
    resident: list[float] = []
    count = 0
    progress = _session(recording, model, cache) if child == "session" else _windows(recording)
    for count, end in enumerate(progress, 1):  # noqa: B007  counted to the end
        while len(resident) < len(marks) and end >= marks[len(resident)]:
            resident.append(status_mb("VmRSS"))
    resident += [status_mb("VmRSS")] * (len(MARKS) - len(resident))
    what, unit = (f"session with {model}", "segments") if child == "session" else ("decode, VAD, windows", "windows")
    return Growth(what, hours, resident, peak_mb(), count, unit, time.perf_counter() - start)


def _windows(recording: Path) -> Iterator[float]:
    """Decode a recording, detect speech and cut it into windows; yield the end of each window, in seconds."""
    from server.pipeline.stages.decode import AudioStream
    from server.pipeline.stages.vad import SileroDetector
    from server.pipeline.windows.reader import WindowReader
    from server.settings.stages import VadSettings

    reader = WindowReader(AudioStream(recording), SileroDetector(VadSettings()))
    while (windows := reader.read()) is not None:
        for window in windows:
            yield window.end


def _session(recording: Path, model: str, cache: Path) -> Iterator[float]:
    """Transcribe a recording; yield the end of each segment, in seconds."""
    from server.pipeline.alone import transcribe
    from server.pipeline.loaded_model import LoadedModel
    from server.settings.stages import DecodeSettings, StageSettings
    from server.transcript import Options, SegmentReady

    directory = checkpoints.whisper(model, cache)
    if directory is None:
        sys.exit(f"the model {model} is not here")
    settings = StageSettings(decode=DecodeSettings.model_validate({"beam_size": 1, "temperatures": (0.0,)}))
    for event in transcribe(LoadedModel(model, directory, settings), recording, Options(language="en")):
        if isinstance(event, SegmentReady):
            yield event.segment.end


def long_recording(hours: float, cache: Path) -> Path:
    """Write a FLAC file of speech in a loop into ``cache``, unless it is there, and return its path."""
    path = cache / f"speech-{hours:g}h.flac"
    if not path.is_file():
        samples = _five_minutes(cache)
        unfinished = path.with_suffix(".part")
        with soundfile.SoundFile(unfinished, "w", RATE, 1, format="FLAC") as file:
            left = int(hours * 3600 * RATE)
            while left > 0:
                file.write(samples[:left])
                left -= len(samples)
        unfinished.rename(path)
    return path


def _five_minutes(cache: Path) -> Samples:
    samples: Samples = soundfile.read(benchmark_audio(300.0, cache).path, dtype="int16")[0]
    return np.concatenate([samples, np.zeros(RATE, np.int16)])


if __name__ == "__main__":
    main()
