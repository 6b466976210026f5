"""What one measured child process is asked to do, and what it answers: one JSON object each way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

STAGES = ("decode", "vad", "mel", "encoder", "decoder", "align")


@dataclass(frozen=True, slots=True)
class Task:
    """One transcription, with the models already loaded and one warm-up run done before the clock starts.

    ``max_new_tokens`` limits the text of one window (random weights never end it themselves), None leaves it to the
    model. ``align_model`` is a wav2vec2 directory for WhisperX; ``align`` says whether words get times at all.
    """

    audio: str
    warm_up: str
    model: str
    align: bool
    align_model: str | None
    threads: int
    max_new_tokens: int | None = None
    language: str = "en"
    beam_size: int = 5
    batch_size: int = 8
    compute_type: str = "int8"


@dataclass(frozen=True, slots=True)
class Result:
    """Wall times in ms by stage and in total, peak memory in MB (2**20), and the work that was done.

    ``cpu_ms`` is the processor time of all threads, which a busy machine disturbs less than wall time.
    """

    total_ms: float
    cpu_ms: float
    load_ms: float
    stages: dict[str, float]
    peak_mb: float
    audio_seconds: float
    windows: int
    tokens: int
    words: int
    text: str
    notes: dict[str, str] = field(default_factory=dict)


class Stopwatch:
    """Adds up wall time by stage around the functions it wraps."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    def timed(self, stage: str, function: Callable[P, R]) -> Callable[P, R]:
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.ms[stage] = self.ms.get(stage, 0.0) + (time.perf_counter() - start) * 1e3

        return wrapper


class Clock:
    """Wall and processor time since it was made, in ms."""

    def __init__(self) -> None:
        self._start = self._now()

    def read(self) -> tuple[float, float]:
        wall, cpu = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return wall * 1e3, cpu * 1e3

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def peak_mb() -> float:
    """Highest resident set of this program so far."""
    return status_mb("VmHWM")


def status_mb(key: str) -> float:
    """VmRSS or VmHWM of this process in MB, from Linux's own count (getrusage also counts what ran before exec)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"this system does not tell {key}")


def read_task(text: str) -> Task:
    return Task(**json.loads(text))


def write_result(result: Result, path: Path) -> None:
    path.write_text(json.dumps(asdict(result)), encoding="utf-8")


def read_result(path: Path) -> Result:
    return Result(**json.loads(path.read_text(encoding="utf-8")))
