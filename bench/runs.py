"""The settings and the result of one measured run in a child process, each passed as one JSON object."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

STAGES = ("decode", "vad", "mel", "encoder", "decoder", "align")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of a measured run, which loads models and transcribes ``warm_up`` before it measures ``audio``.

    ``max_new_tokens`` limits the text of one window, because random weights never end it; None leaves the limit to the
    model. ``align_model`` is a wav2vec2 directory for WhisperX. Without ``align`` words get no times.
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
class RunResult:
    """The result of a measured run: wall times in ms by stage and in total, peak memory in MB (2**20), work done.

    ``cpu_ms`` is the processor time of all threads, which other work on the machine disturbs less than wall time.
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


def read_settings(text: str) -> RunSettings:
    """Return the settings from their JSON text."""
    return RunSettings(**json.loads(text))


def write_result(result: RunResult, path: Path) -> None:
    """Write a result as JSON."""
    path.write_text(json.dumps(asdict(result)), encoding="utf-8")


def read_result(path: Path) -> RunResult:
    """Return the result that a child process wrote."""
    return RunResult(**json.loads(path.read_text(encoding="utf-8")))
