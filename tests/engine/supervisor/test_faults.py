"""Crashes, hangs and kills of the engine's process, and the requests that they affect."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.engine.contract import Observation, Restart
from server.engine.supervisor import SupervisedEngine
from server.engine.supervisor.worker_process import Launch, WorkerProcess
from server.errors import EngineFailure
from server.transcript import Event, Finished, SegmentReady
from tests.audio_files import tone, write
from tests.engine.supervisor.conftest import job, python, run, running, transcript, until, watched

# The real worker, but for recordings of some names. Run as ``python -c BOMB FD``.
BOMB = """
import os, signal, socket, sys, time
from server.pipeline.windows.reader import WindowReader
from server.engine.worker.main import serve
read = WindowReader.read
def bomb(self):
    name = self._audio.source.name
    if self.seconds >= 40:
        if name == "poison.wav":
            os.kill(os.getpid(), signal.SIGSEGV)
        if name == "endless.wav":
            time.sleep(3600)
        if name == "bug.wav":
            raise ZeroDivisionError
    return read(self)
WindowReader.read = bomb
serve(socket.socket(fileno=int(sys.argv[1])))
"""

# The real worker, but broken as long as a file is there.
WHILE_BROKEN = """
import os, signal, socket, sys
if os.path.exists({path!r}):
    {fault}
from server.engine.worker.main import serve
serve(socket.socket(fileno=int(sys.argv[1])))
"""


def pid_of(engine: SupervisedEngine) -> int:
    (process,) = engine.status().processes
    return process.pid


def worker_of(engine: SupervisedEngine) -> WorkerProcess:
    (model,) = engine._models.values()
    assert model._run
    return model._run.worker


def segments(events: list[Event]) -> list[Any]:
    return [event.segment for event in events if isinstance(event, SegmentReady)]


def restarts(seen: list[Observation]) -> list[str]:
    return [what.reason for what in seen if isinstance(what, Restart)]


def assert_whole(events: list[Event], expected: Any) -> None:
    """Assert that a job's events have every segment once and in order, and the answer of a run without a fault."""
    *_, last = events
    assert isinstance(last, Finished)
    assert sum(isinstance(event, Finished) for event in events) == 1
    assert segments(events) == list(last.transcript.segments)
    assert (last.transcript.text, last.transcript.input_tokens) == (expected.text, expected.input_tokens)
    assert [segment.id for segment in last.transcript.segments] == [segment.id for segment in expected.segments]


@pytest.fixture
def long(tmp_path: Path) -> Path:
    return write(tmp_path / "long.wav", tone(300.0))


async def test_an_npu_that_served_when_the_process_died_is_left_alone(engine: SupervisedEngine, speech: Path) -> None:
    """Whoever takes the process's place says why; a process without an NPU is no reason to retire one."""
    await transcript(engine, speech)
    for served_by, told in (("cpu", False), ("npu", True)):
        (model,) = engine._models.values()
        model.record.stages = tuple(
            replace(stage, device=served_by) for stage in model.record.stages
        )  # what a chip would say
        dead = pid_of(engine)
        os.kill(dead, signal.SIGKILL)
        await until(lambda dead=dead: all(one.pid != dead for one in engine.status().processes))  # type: ignore[misc]
        await transcript(engine, speech)
        reasons = {stage.stage: stage.reason for stage in engine.status().stages}
        for stage in ("mel", "encoder"):
            assert ("it was retired: the process was killed by signal 9 while it served" in reasons[stage]) == told
            assert engine.status().stages[1].device == "cpu"


@pytest.mark.parametrize("language", ["en", None])
async def test_killed_in_the_middle_nothing_is_lost_and_nothing_delivered_twice(
    engine: SupervisedEngine, long: Path, speech: Path, language: str | None
) -> None:
    whole = {path: await transcript(engine, path, language=language) for path in (long, speech)}
    seen = watched(engine)
    killed = 0
    results: dict[int, list[Event]] = {}

    async def client(number: int, path: Path) -> None:
        nonlocal killed
        results[number] = []
        async for event in engine.transcribe(job(path, language=language)):
            results[number].append(event)
            if isinstance(event, SegmentReady) and path == long and not killed:
                killed = pid_of(engine)
                os.kill(killed, signal.SIGKILL)

    paths = [long, speech, long, speech]
    await asyncio.gather(*(client(number, path) for number, path in enumerate(paths)))
    for number, path in enumerate(paths):
        assert_whole(results[number], whole[path])
    assert restarts(seen) == ["killed"]
    assert pid_of(engine) != killed
    assert engine.status().processes[0].restarts == 1
    assert engine.status().queued == engine.status().running == 0


async def test_whoever_is_at_work_twice_when_it_dies_fails_with_the_reason(
    engine: SupervisedEngine, long: Path
) -> None:
    events: list[Event] = []

    async def client() -> None:
        async for event in engine.transcribe(job(long)):
            events.append(event)
            if isinstance(event, SegmentReady):
                await until(lambda: bool(worker_of(engine).at_work))  # a segment comes between two steps
                worker_of(engine).kill()

    with pytest.raises(EngineFailure, match="was killed by signal 9 while it worked on this recording"):
        await client()
    assert len(segments(events)) == len({segment.id for segment in segments(events)})
    assert await transcript(engine, long), "the next one is served"


async def test_a_process_that_stands_still_is_killed_and_replaced(tiny_multilingual: Path, long: Path) -> None:
    async with running(tiny_multilingual, engine={"hang_seconds": 3}) as engine:
        whole = await transcript(engine, long)
        seen = watched(engine)
        events: list[Event] = []
        async for event in engine.transcribe(job(long)):
            events.append(event)
            if len(segments(events)) == 1 and not restarts(seen):
                os.kill(pid_of(engine), signal.SIGSTOP)
        assert_whole(events, whole)
        assert restarts(seen) == ["hang"]


async def test_idle_death_is_noticed_and_mended(engine: SupervisedEngine, speech: Path) -> None:
    await transcript(engine, speech)
    dead = pid_of(engine)
    os.kill(dead, signal.SIGKILL)
    await until(lambda: engine.status().state == "ready" and pid_of(engine) != dead)
    assert await transcript(engine, speech)


async def test_one_poisonous_recording_does_not_hurt_the_others(
    tiny_multilingual: Path, tmp_path: Path, speech: Path
) -> None:
    poison = write(tmp_path / "poison.wav", tone(70.0))
    bug = write(tmp_path / "bug.wav", tone(70.0))
    async with running(tiny_multilingual, python(BOMB)) as engine:
        whole = await transcript(engine, speech)
        seen = watched(engine)
        poisoned, buggy, *fine = await asyncio.gather(
            run(engine, poison), run(engine, bug), *(run(engine, speech) for _ in range(4)), return_exceptions=True
        )
        assert isinstance(poisoned, EngineFailure)
        assert "killed by signal 11" in str(poisoned)
        assert isinstance(buggy, EngineFailure)
        assert "ZeroDivisionError" in str(buggy)
        assert restarts(seen) == ["crash", "crash"]
        for events in fine:
            assert isinstance(events, list), events
            assert_whole(events, whole)


async def test_a_step_that_takes_too_long_is_cut_off(tiny_multilingual: Path, tmp_path: Path) -> None:
    endless = write(tmp_path / "endless.wav", tone(70.0))
    async with running(tiny_multilingual, python(BOMB), engine={"window_seconds": 2}) as engine:
        seen = watched(engine)
        with pytest.raises(EngineFailure, match="hung while it worked on this recording"):
            await run(engine, endless)
        assert restarts(seen) == ["hang", "hang"]


@pytest.mark.parametrize(
    ("fault", "how"),
    [
        ("os._exit(3)", "ended with status 3 before it was ready"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was killed by signal 11 before it was ready"),
    ],
)
async def test_a_process_that_never_gets_ready_is_tried_a_few_times_then_the_reason_is_told(
    tiny_multilingual: Path, speech: Path, tmp_path: Path, fault: str, how: str
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    async with running(tiny_multilingual, python(WHILE_BROKEN.format(path=str(broken), fault=fault))) as engine:
        seen = watched(engine)
        with pytest.raises(EngineFailure, match=how):
            await run(engine, speech)
        assert restarts(seen) == ["load"] * 3
        assert engine.status().state == "failed"
        assert how in (engine.status().error or "")
        broken.unlink()
        assert await transcript(engine, speech), "the next request tries again"
        assert engine.status().state == "ready"


async def test_no_process_can_be_started(tiny_multilingual: Path, speech: Path) -> None:
    async with running(tiny_multilingual, Launch(command=("/nowhere/python",))) as engine:
        with pytest.raises(EngineFailure, match="No process for model"):
            await run(engine, speech)


async def test_the_processes_end_with_the_server(tiny_multilingual: Path, speech: Path) -> None:
    async with running(tiny_multilingual) as engine:
        await transcript(engine, speech)
        pid = pid_of(engine)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
