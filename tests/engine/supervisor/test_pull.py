"""A default model that is not installed yet: pulled while the server listens, again after every failure."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from server.engine.supervisor import SupervisedEngine
from server.errors import ModelNotFound, ModelUnavailable
from tests.engine.supervisor.conftest import python, run, running, transcript, until, watched
from tests.engine.supervisor.test_faults import pid_of, restarts, worker_of
from tests.hub import LocalHub, serving

# The real worker, but what it keeps of an interrupted download comes in smaller pieces.
FINE = """
import socket, sys
import huggingface_hub.constants
from server.engine.worker.main import serve
huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE = 20_000
serve(socket.socket(fileno=int(sys.argv[1])))
"""


@pytest.fixture
def hub(tiny_multilingual: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A hub that worker processes pull from; it has the model base.en, whose revision is not pinned."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.repositories["Systran/faster-whisper-base.en"] = tiny_multilingual
        yield hub


def pulling(
    name: str = "base.en", missing: str = "pull", *, offline: bool = False, again_after: float = 60.0
) -> AbstractAsyncContextManager[SupervisedEngine]:
    launch = replace(python(FINE), pull_again_seconds=again_after)
    return running(name, launch, model={"offline": offline, "missing": missing})


def progress(engine: SupervisedEngine) -> tuple[int, int]:
    pull = engine.status().pull
    return (pull.bytes, pull.total) if pull else (0, 0)


async def halfway(engine: SupervisedEngine) -> None:
    await until(lambda: progress(engine)[0] > 500_000)


def size(model: Path) -> int:
    return sum(file.stat().st_size for file in model.iterdir())


async def test_how_far_it_is_and_who_waits(
    hub: LocalHub, tiny_multilingual: Path, demo_model: Path, speech: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hub.stall_after = 800_000
    async with pulling() as engine:
        assert engine.status().state == "starting"
        waiting = asyncio.create_task(transcript(engine, speech))
        await halfway(engine)
        status = engine.status()
        assert status.pull
        assert status.pull.model == status.default_model == "base.en"
        assert status.pull.bytes < status.pull.total == size(tiny_multilingual)
        assert (status.state, status.error, status.queued) == ("starting", None, 1)
        assert (await transcript(engine, speech, model="demo")).model == "demo"
        assert not waiting.done()
        assert engine.status().pull, "the demo did not wait for it"
        hub.stall_after = None
        assert (await waiting).model == "base.en"
        assert (engine.status().state, engine.status().pull) == ("ready", None)
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("Pulling model base.en: 0 of 1 MB, ") for line in lines), lines
    assert any(line.startswith("Model base.en is pulled, in ") for line in lines)


async def test_unless_it_is_wanted_nothing_is_pulled(hub: LocalHub, speech: Path) -> None:
    async with pulling(missing="refuse") as engine:
        with pytest.raises(ModelUnavailable, match="is not installed"):
            await run(engine, speech)
    assert hub.requests == 0


async def test_broken_off_it_goes_on_by_itself_where_it_stopped(hub: LocalHub) -> None:
    hub.break_after = 500_000
    async with pulling(again_after=1.0) as engine:
        await until(lambda: engine.status().state == "failed")
        assert "Systran/faster-whisper-base.en could not be pulled" in (engine.status().error or "")
        assert engine.status().pull is None
        await until(lambda: engine.status().state == "ready")
        assert engine.status().error is None
    assert len(hub.ranges) == 1


async def test_a_request_tries_again_at_once(hub: LocalHub, speech: Path) -> None:
    hub.break_after = 500_000
    async with pulling() as engine:
        with pytest.raises(ModelUnavailable, match="could not be pulled"):
            await run(engine, speech)
        assert (await transcript(engine, speech)).model == "base.en"


async def test_it_waits_for_the_network(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    async with pulling(again_after=1.0) as engine:
        await until(lambda: engine.status().state == "failed")
        assert "the Hugging Face Hub does not answer" in (engine.status().error or "")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        await until(lambda: engine.status().state == "ready")
    assert "Model base.en cannot be served" in caplog.text


async def test_a_model_that_is_copied_here_instead_is_found(hub: LocalHub, tiny_multilingual: Path) -> None:
    async with pulling(offline=True, again_after=1.0) as engine:
        await until(lambda: engine.status().state == "failed")
        assert "the network is off" in (engine.status().error or "")
        target = engine.settings.model.cache_dir / "Systran--faster-whisper-base.en"
        shutil.copytree(tiny_multilingual, target.with_name("new"))
        target.with_name("new").rename(target)
        await until(lambda: engine.status().state == "ready")
    assert hub.requests == 0


async def test_the_hub_has_no_such_model(hub: LocalHub, speech: Path) -> None:
    async with pulling("someone/typo") as engine:
        with pytest.raises(ModelNotFound, match="has no model someone/typo"):
            await run(engine, speech)
        assert engine.status().state == "failed"


async def test_killed_in_the_middle_of_it(hub: LocalHub, speech: Path) -> None:
    hub.rate = 400_000
    async with pulling() as engine:
        seen = watched(engine)
        waiting = asyncio.create_task(transcript(engine, speech))
        await halfway(engine)
        os.kill(pid_of(engine), signal.SIGKILL)
        assert (await waiting).model == "base.en"
        assert restarts(seen) == ["load"]
    assert hub.ranges, "it went on where it was"


async def test_a_slow_one_is_left_alone_and_one_that_stands_still_is_killed(hub: LocalHub) -> None:
    hub.rate, hub.stall_after = 100_000, 800_000
    async with pulling() as engine:
        seen = watched(engine)
        await until(lambda: progress(engine)[0] > 0)
        worker_of(engine).load_seconds = 2.0
        began = monotonic()
        await halfway(engine)
        assert monotonic() - began > 2.0
        assert restarts(seen) == []
        await until(lambda: bool(restarts(seen)))
        assert restarts(seen) == ["hang"]
