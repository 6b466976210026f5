from __future__ import annotations

import os
import random
import sys
import wave
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from server.cli import app

COMMAND = (sys.executable, "-m", "server.cli")


class CommandLine:
    """A function that runs a command of ``whisperx-npu`` in this process, and returns its exit status and output."""

    def __call__(self, *arguments: str | Path, input: bytes | None = None) -> Result:  # noqa: A002  CliRunner's name
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=input)


@pytest.fixture
def cli() -> CommandLine:
    return CommandLine()


@pytest.fixture
def short_and_steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings under which a model of random weights takes noise for speech, stops early and always says the same."""
    for name, value in {
        "VAD__THRESHOLD": "0.0",
        "DECODE__TEMPERATURES": "[0.0]",
        "DECODE__MAX_NEW_TOKENS": "8",
        "DECODE__BEAM_SIZE": "1",
    }.items():
        monkeypatch.setenv(f"WHISPERX_NPU_{name}", value)


@pytest.fixture
def environment(short_and_steady: None) -> dict[str, str]:
    """Environment variables for a child process, with the settings of ``short_and_steady``."""
    return dict(os.environ)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A WAV file with two seconds of noise."""
    return write_noise(tmp_path / "noise.wav", seconds=2)


@pytest.fixture
def long_recording(tmp_path: Path) -> Path:
    """A WAV file with an hour of noise, which takes minutes to transcribe."""
    return write_noise(tmp_path / "long.wav", seconds=3600)


def write_noise(path: Path, seconds: int) -> Path:
    second = random.Random(0).randbytes(2 * 16_000)  # noqa: S311
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(second * seconds)
    return path
