"""Engines with real processes around tiny models, and settings that make them quick and their answers repeatable."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server.engine.contract import Job, Observation
from server.engine.supervisor import SupervisedEngine
from server.engine.supervisor.engine import LAUNCH
from server.engine.supervisor.worker_process import Launch
from server.settings.load import load_settings
from server.transcript import Event, Finished, Options, Transcript
from tests.audio_files import tone, write

CALM = {
    "beam_size": 1,
    "temperatures": (0.0,),
    "max_new_tokens": 10,
    "no_speech_threshold": None,
    "log_prob_threshold": None,
    "compression_ratio_threshold": None,
    "batch_size": 4,
}
MODEL = {"offline": True, "encoder": "ctranslate2", "compute_type": "float32"}


def supervised(
    model: Path | str, /, launch: Launch = LAUNCH, stand_in: str | None = None, **groups: Any
) -> SupervisedEngine:
    groups = {"decode": CALM, "engine": {}} | groups
    settings = load_settings(model=MODEL | {"name": str(model)} | groups.pop("model", {}), **groups)
    return SupervisedEngine(settings, stand_in, launch)


@asynccontextmanager
async def running(
    model: Path | str, /, launch: Launch = LAUNCH, stand_in: str | None = None, **groups: Any
) -> AsyncIterator[SupervisedEngine]:
    engine = supervised(model, launch, stand_in, **groups)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@pytest.fixture
async def engine(tiny_multilingual: Path) -> AsyncIterator[SupervisedEngine]:
    async with running(tiny_multilingual) as started:
        yield started


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    return write(tmp_path / "a.wav", tone(70.0))


def job(path: Path, name: str = "1", **options: Any) -> Job:
    wishes: dict[str, Any] = {"vad": False, "language": "en"} | options
    return Job(name, path, Options(**wishes))


def python(program: str) -> Launch:
    """Return the launch of a worker process that runs ``program`` in place of the real worker.

    The last argument of the program is the number of its socket.
    """
    return Launch(command=(sys.executable, "-c", program))


async def run(engine: SupervisedEngine, path: Path, **options: Any) -> list[Event]:
    return [event async for event in engine.transcribe(job(path, **options))]


async def transcript(engine: SupervisedEngine, path: Path, **options: Any) -> Transcript:
    *_, last = await run(engine, path, **options)
    assert isinstance(last, Finished)
    return last.transcript


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def watched(engine: SupervisedEngine) -> list[Observation]:
    seen: list[Observation] = []
    engine.observe(seen.append)
    return seen
