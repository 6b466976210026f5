"""The engine in this process: jobs in, events out, nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from server.cli.local_engine import LocalEngine
from server.engine.contract import Event, Finished, Job, SegmentReady
from server.errors import (
    ConfigurationError,
    InvalidInput,
    ModelNotFound,
    ModelUnavailable,
    NotReady,
    Overloaded,
    UnsupportedMedia,
)
from server.settings.load import load_settings
from server.transcript import Options
from tests.audio_files import tone, write

CALM = {
    "beam_size": 1,
    "temperatures": (0.0,),
    "max_new_tokens": 10,
    "no_speech_threshold": None,
    "log_prob_threshold": None,
}


def engine(model: Path, **groups: Any) -> LocalEngine:
    return LocalEngine(load_settings(model={"name": str(model), "offline": True}, decode=CALM, **groups))


@pytest.fixture
async def running(tiny_multilingual: Path) -> AsyncIterator[LocalEngine]:
    started = engine(tiny_multilingual)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    return write(tmp_path / "a.wav", tone(70.0))


async def run(engine: LocalEngine, path: Path, **options: Any) -> list[Event]:
    return [event async for event in engine.transcribe(Job("1", path, Options(**{"vad": False} | options)))]


async def test_a_job_ends_with_its_transcript(running: LocalEngine, speech: Path) -> None:
    events = await run(running, speech, language="en")
    assert isinstance(events[-1], Finished)
    assert [event.segment for event in events if isinstance(event, SegmentReady)] == list(
        events[-1].transcript.segments
    )
    assert running.status().state == "ready"
    assert (running.status().queued, running.status().running) == (0, 0)


async def test_status_names_devices_and_reasons(running: LocalEngine, speech: Path) -> None:
    await run(running, speech)
    status = running.status()
    stages = {choice.stage: choice for choice in status.stages}
    assert stages["encoder"].device == "cpu"
    assert "no NPU" in stages["mel"].reason
    (card,) = [card for card in status.models if card.id == status.default_model]
    assert card.loaded
    assert card.multilingual
    assert "whisper-1" in card.aliases


async def test_errors_of_the_request_come_through_as_they_are(running: LocalEngine, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no audio")
    with pytest.raises(UnsupportedMedia):
        await run(running, tmp_path / "a.wav")
    with pytest.raises(ModelNotFound):
        await run(running, tmp_path / "a.wav", model="no-such-model")
    with pytest.raises(InvalidInput):
        await run(running, tmp_path / "a.wav", align="ctc")


async def test_a_path_is_no_model_name_in_a_request(running: LocalEngine, speech: Path, tiny_english: Path) -> None:
    for name in (str(tiny_english), "../tiny-english", "/etc"):
        with pytest.raises(ModelNotFound):
            await run(running, speech, model=name)


async def test_one_more_than_the_queue_holds_is_told_when_to_come_back(tiny_multilingual: Path, speech: Path) -> None:
    small = engine(tiny_multilingual, server={"max_queue": 2})
    await small.start()
    waiting = [small.transcribe(Job(str(n), speech, Options(vad=False, language="en"))) for n in range(2)]
    firsts = [asyncio.ensure_future(anext(iterator)) for iterator in waiting]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as caught:
        await run(small, speech)
    assert caught.value.retry_after >= 1
    await asyncio.gather(*firsts)
    for iterator in waiting:
        await iterator.aclose()
    assert await run(small, speech, language="en"), "there is room again"
    await small.stop()


async def test_a_client_that_leaves_frees_the_worker(running: LocalEngine, tmp_path: Path, speech: Path) -> None:
    long = write(tmp_path / "long.wav", tone(1200.0))
    iterator = running.transcribe(Job("long", long, Options(vad=False, language="en")))
    await anext(iterator)
    await iterator.aclose()
    events = await asyncio.wait_for(run(running, speech, language="en"), 60)
    assert isinstance(events[-1], Finished)
    assert running.status().queued == 0


async def test_a_queued_job_whose_client_left_is_never_begun(
    running: LocalEngine, speech: Path, tmp_path: Path
) -> None:
    first = running.transcribe(Job("1", speech, Options(vad=False, language="en")))
    await anext(first)
    second = running.transcribe(Job("2", tmp_path / "not-there.wav", Options()))
    pending = asyncio.ensure_future(anext(second))
    await asyncio.sleep(0)
    pending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pending
    rest = [event async for event in first]
    assert isinstance(rest[-1], Finished)


async def test_a_model_that_cannot_load_is_reported_not_hidden(tmp_path: Path, speech: Path) -> None:
    broken = engine(tmp_path / "nowhere")
    await broken.start()
    with pytest.raises(ModelUnavailable, match="nowhere"):
        await run(broken, speech)
    assert broken.status().state == "failed"
    assert "nowhere" in (broken.status().error or "")
    await broken.stop()


async def test_after_stop_nothing_is_taken(tiny_multilingual: Path, speech: Path) -> None:
    stopped = engine(tiny_multilingual)
    await stopped.start()
    await stopped.stop()
    with pytest.raises(NotReady):
        await run(stopped, speech)


async def test_another_model_can_be_asked_for(tiny_multilingual: Path, speech: Path) -> None:
    from server.checkpoints.catalog import DEMO_DIR

    if not (DEMO_DIR / "model.bin").is_file():
        pytest.skip("the demo model is not there")
    both = engine(tiny_multilingual)
    await both.start()
    events = await run(both, speech, model="demo")
    assert isinstance(events[-1], Finished)
    assert (events[-1].transcript.model, events[-1].transcript.demo) == ("demo", True)
    await both.stop()


def test_an_npu_that_is_not_there_cannot_be_required(tiny_multilingual: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        engine(tiny_multilingual, npu={"mode": "required", "device": str(tmp_path / "accel0")})
    assert caught.value.param == "npu.mode"


async def test_status_and_answers_name_a_simulated_npu(
    tiny_multilingual: Path, speech: Path, simulated_kernels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model's heads are none that the kernels serve, so its encoder stays on the CPU."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(simulated_kernels))
    simulated = engine(tiny_multilingual, npu={"mode": "simulated"})
    await simulated.start()
    events = await run(simulated, speech, language="en")
    assert isinstance(events[-1], Finished)
    answered = {stage.stage: stage for stage in events[-1].transcript.stages}
    status = simulated.status()
    chosen = {choice.stage: choice for choice in status.stages}
    assert chosen["mel"].device == answered["mel"].device == "npu (simulated)"
    assert chosen["mel"].reason == answered["mel"].reason
    assert chosen["encoder"].device == answered["encoder"].device == "cpu"
    assert "heads of 64 dimensions, not of 32" in chosen["encoder"].reason
    assert any(note.startswith("NPU self-test mel_80.energies") for note in status.notes)
    await simulated.stop()
