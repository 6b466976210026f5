"""The demo model in the place of a default model that no source gives, and the end of that without a restart."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import pytest

from server.engine.supervisor import SupervisedEngine
from server.engine.supervisor.engine import LAUNCH
from server.errors import ModelUnavailable
from tests.engine.supervisor.conftest import running, transcript, until
from tests.engine.supervisor.test_faults import pid_of
from tests.hub import LocalHub

WHY = "base.en could not be pulled: nobody answers."
SERVES = (
    f"{WHY} The demonstration model serves in the place of base.en until base.en can be had: "
    "`whisperx-npu models pull base.en`."
)
NOBODY = "http://127.0.0.1:9"

pytestmark = pytest.mark.usefixtures("demo_model")


@pytest.fixture
def hub(local_hub: LocalHub, tiny_multilingual: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    """A hub with the model base.en, for this process and for the workers."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", local_hub.url)
    local_hub.repositories["Systran/faster-whisper-base.en"] = tiny_multilingual
    return local_hub


def standing_in(
    why: str | None = WHY, *, offline: bool = False, ask_again: float = 0.2
) -> AbstractAsyncContextManager[SupervisedEngine]:
    launch = replace(LAUNCH, ask_again_seconds=ask_again)
    return running("base.en", launch, why, model={"offline": offline, "missing": "pull_or_demo"})


async def taken_over(engine: SupervisedEngine) -> None:
    await until(lambda: engine.stand_in() is None)
    status = engine.status()
    assert (status.state, status.default_model, status.notes) == ("ready", "base.en", ())
    (card,) = [card for card in status.models if "whisper-1" in card.aliases]
    assert (card.id, card.loaded) == ("base.en", True)
    await until(lambda: [process.model for process in engine.status().processes] == ["base.en"])


async def test_the_demo_serves_until_somebody_installs_the_default_model(
    hub: LocalHub, speech: Path, tiny_multilingual: Path
) -> None:
    async with standing_in(offline=True, ask_again=600.0) as engine:
        answer = await transcript(engine, speech)
        assert (answer.model, answer.demo, answer.stand_in) == ("demo", True, SERVES)
        assert (await transcript(engine, speech, model="demo")).stand_in is None, "it was asked for"
        with pytest.raises(ModelUnavailable, match=r"serves in the place of base\.en"):
            await transcript(engine, speech, model="base.en")
        status = engine.status()
        assert (status.state, status.default_model) == ("ready", "demo")
        assert SERVES in status.notes
        assert [card.id for card in status.models if "whisper-1" in card.aliases] == ["demo"]

        with stopped(pid_of(engine)):
            under_way = asyncio.create_task(transcript(engine, speech, model="whisper-1"))
            await asyncio.sleep(0)
            put(tiny_multilingual, engine)
            await until(lambda: engine.stand_in() is None)
            assert len(engine.status().processes) == 2
        answer = await under_way
        assert (answer.model, answer.stand_in) == ("demo", SERVES)
        await taken_over(engine)
    assert hub.requests == 0, "model.offline asks nobody"


async def test_once_a_source_answers_the_default_model_serves(
    hub: LocalHub, speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", NOBODY)
    async with standing_in() as engine:
        await until(lambda: engine.status().state == "ready")
        assert hub.requests == 0
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        await taken_over(engine)
        answer = await transcript(engine, speech)
        assert (answer.model, answer.demo, answer.stand_in) == ("base.en", False, None)


async def test_a_pull_that_breaks_off_brings_the_demo_and_goes_on(hub: LocalHub, speech: Path) -> None:
    hub.break_after = 500_000
    async with standing_in(why=None, ask_again=2.0) as engine:
        await until(lambda: engine.stand_in() is not None)
        assert "Systran/faster-whisper-base.en could not be pulled" in (engine.stand_in() or "")
        await taken_over(engine)


async def test_a_stop_does_not_wait_for_a_source_that_hangs(hub: LocalHub) -> None:
    hub.silent = True
    async with standing_in() as engine:
        await until(lambda: hub.requests > 0)
        async with asyncio.timeout(3):
            await engine.stop()


async def test_an_installed_model_is_noticed_while_a_source_hangs(
    hub: LocalHub, tiny_multilingual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.checkpoints.sources.hub.ASK_SECONDS", 600.0)
    hub.silent = True
    async with standing_in() as engine:
        await until(lambda: hub.requests > 0)
        put(tiny_multilingual, engine)
        await taken_over(engine)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Let a process stand still while the block runs."""
    os.kill(pid, signal.SIGSTOP)
    yield
    os.kill(pid, signal.SIGCONT)


def put(model: Path, engine: SupervisedEngine) -> None:
    target = engine.settings.model.cache_dir / "Systran--faster-whisper-base.en"
    shutil.copytree(model, target.with_name("new"))
    target.with_name("new").rename(target)
