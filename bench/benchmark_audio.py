"""A recording of speech for the benchmarks, with its text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
LONG = ROOT.parent / "shared" / "audio" / "derived" / "long_kathleen.flac"
SAMPLES = ROOT / "models" / "demo" / "sample"
RATE = 16_000
Samples = NDArray[np.int16]
WARM_UP_SECONDS = 30
PAUSE = 0.7  # seconds between two sentences of LONG


@dataclass(frozen=True, slots=True)
class BenchmarkAudio:
    """A recording, its first 30 s to warm up with, and its text (None if it is not known); ``source`` describes it."""

    path: Path
    warm_up: Path
    text: str | None
    source: str


class NoAudio(Exception):
    """No recording to measure with was found."""


def benchmark_audio(seconds: float, cache: Path) -> BenchmarkAudio:
    """Write about ``seconds`` of speech into ``cache`` as FLAC at 16 kHz.

    It is whole sentences by one reader, or the demo model's sample in a loop where that recording is missing. Raises
    NoAudio if neither is there.
    """
    samples, text, source = _sentences(seconds) if LONG.is_file() else _looped(seconds)
    cache.mkdir(parents=True, exist_ok=True)
    path, warm_up = cache / f"speech-{seconds:.0f}.flac", cache / "warm-up.flac"
    soundfile.write(path, samples, RATE)
    soundfile.write(warm_up, samples[: WARM_UP_SECONDS * RATE], RATE)
    return BenchmarkAudio(path, warm_up, text, source)


def _sentences(seconds: float) -> tuple[Samples, str | None, str]:
    """Return the first sentences of LONG that fit into ``seconds``: int16 samples at 16 kHz, text, name of the file."""
    sentences = [s for s in json.loads(LONG.with_suffix(".json").read_bytes()) if s["end"] <= seconds]
    samples, rate = soundfile.read(LONG, dtype="int16")
    assert rate == RATE
    end = sentences[-1]["end"] + PAUSE / 2
    return samples[: int(end * RATE)], " ".join(s["text"] for s in sentences), LONG.name


def _looped(seconds: float) -> tuple[Samples, str | None, str]:
    files = sorted(SAMPLES.glob("*.flac")) + sorted(SAMPLES.glob("*.wav"))
    if not files:
        raise NoAudio(f"no speech to measure with: neither {LONG} nor a sample in {SAMPLES}")
    samples, rate = soundfile.read(files[0], dtype="int16")
    assert rate == RATE
    return np.resize(samples, int(seconds * RATE)), None, f"{files[0].name} in a loop"
