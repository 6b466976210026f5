"""Loading and unloading of models: idle time, several at once, the memory budget, and the memory that is freed."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.engine.supervisor import SupervisedEngine
from server.engine.supervisor.memory_budget import MemoryBudget
from server.machine.memory import available_bytes, rss_bytes
from server.transcript import Finished, SegmentReady
from tests.engine.supervisor.conftest import job, running, transcript, until

TINY = "tiny-multilingual"


@pytest.fixture
def cache(tiny_multilingual: Path, tiny_english: Path, tmp_path: Path) -> Path:
    """The model directory, with two installed models: some/one and some/two."""
    directory = tmp_path / "cache" / "models"
    directory.mkdir(parents=True)
    (directory / "some--one").symlink_to(tiny_multilingual)
    (directory / "some--two").symlink_to(tiny_english)
    return directory


def loaded(engine: SupervisedEngine) -> set[str]:
    return {process.model for process in engine.status().processes if process.state == "ready"}


async def test_an_idle_model_goes_its_memory_is_back_and_the_next_request_brings_it_again(
    tiny_multilingual: Path, speech: Path
) -> None:
    async with running(tiny_multilingual, engine={"keep_alive": 1}) as engine:
        await transcript(engine, speech)
        (process,) = engine.status().processes
        own = rss_bytes(os.getpid())
        assert process.rss_bytes > 50 << 20
        await until(lambda: not engine.status().processes)
        assert rss_bytes(process.pid) == 0
        assert rss_bytes(os.getpid()) <= own + (8 << 20), "nor did it move here"
        status = engine.status()
        assert status.state == "ready", "the next request is served"
        assert not any(card.loaded for card in status.models)
        assert await transcript(engine, speech)
        assert loaded(engine) == {TINY}
        await until(lambda: not engine.status().processes)  # it goes a second time as well


async def test_zero_unloads_at_once_and_a_single_model_may_differ(
    cache: Path, tiny_multilingual: Path, speech: Path
) -> None:
    settings = {"keep_alive": 0, "keep_alive_models": {TINY: -1}}
    async with running(tiny_multilingual, engine=settings) as engine:
        await transcript(engine, speech)
        await transcript(engine, speech, model="some/two")
        await until(lambda: loaded(engine) == {TINY}, 10)


async def test_concurrent_first_requests_load_a_model_once(cache: Path, tiny_multilingual: Path, speech: Path) -> None:
    async with running(tiny_multilingual) as engine:
        pids: set[int] = set()

        async def client() -> None:
            async for _ in engine.transcribe(job(speech, model="some/two")):
                pids.update(process.pid for process in engine.status().processes if process.model == "some/two")

        await asyncio.gather(*(client() for _ in range(6)))
        assert len(pids) == 1
        assert loaded(engine) == {TINY, "some/two"}


async def test_the_model_that_was_used_longest_ago_makes_room(
    cache: Path, tiny_multilingual: Path, speech: Path
) -> None:
    """Less memory than one process takes, so that two never fit: three models take turns, and none is refused."""
    async with running(tiny_multilingual, engine={"memory_mb": 100}) as engine:
        await transcript(engine, speech)
        for name in ("some/one", "some/two", TINY):
            assert (await transcript(engine, speech, model=name)).model == name
            assert loaded(engine) == {name}


async def test_a_busy_model_is_not_thrown_out_and_does_not_keep_others_out(
    cache: Path, tiny_multilingual: Path, speech: Path
) -> None:
    async with running(tiny_multilingual, engine={"memory_mb": 100}) as engine:
        answers: list[str] = []

        async def client(name: str) -> None:
            await transcript(engine, speech, model=name)
            answers.append(name)

        first = engine.transcribe(job(speech, model=TINY))
        async for event in first:
            if isinstance(event, SegmentReady):
                break
        waiting = asyncio.create_task(client("some/two"))
        await asyncio.sleep(0.1)
        later = asyncio.create_task(client(TINY))
        rest = [event async for event in first]
        assert isinstance(rest[-1], Finished), "it was not thrown out"
        await asyncio.gather(waiting, later)
        assert answers == ["some/two", TINY], "who asked first, is served first"


@dataclass
class ScriptedModel:
    """A model without a process, for tests of the memory budget; ``size`` is the memory in bytes that it would take."""

    name: int
    size: int
    budget: MemoryBudget
    last_used: float = 0.0
    idle: bool = True
    in_memory: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def memory_bytes(self) -> int:
        return self.size

    def is_idle(self) -> bool:
        return self.in_memory and self.idle

    def unload(self) -> None:
        if self.in_memory:
            self.in_memory = False
            self.tasks.append(asyncio.create_task(self.budget.release(self)))

    async def load(self) -> None:
        if not self.in_memory:
            await self.budget.reserve(self)
            self.in_memory = True


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.lists(st.integers(0, 5), max_size=20))
def test_the_limit_holds_unless_a_single_model_breaks_it(sizes: list[int], uses: list[int]) -> None:
    async def world() -> None:
        budget = MemoryBudget(10)
        models = [ScriptedModel(number, size, budget) for number, size in enumerate(sizes)]
        for moment, use in enumerate(uses):
            model = models[use % len(models)]
            await asyncio.wait_for(model.load(), 5)
            model.last_used = moment
            in_memory = [other for other in models if other.in_memory]
            assert model in in_memory
            assert sum(other.size for other in in_memory) <= 10 or in_memory == [model]

    asyncio.run(world())


def test_what_there_is() -> None:
    assert 100 << 20 < available_bytes() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 10 << 20 < rss_bytes(os.getpid()) < available_bytes()
