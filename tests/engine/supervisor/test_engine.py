"""The engine with its computation in another process: jobs go in, events come out, and nothing is left behind."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from server.engine.contract import QueueTime, StageRun
from server.engine.supervisor import SupervisedEngine
from server.errors import (
    ConfigurationError,
    InvalidInput,
    ModelNotFound,
    ModelUnavailable,
    NotReady,
    Overloaded,
    TimedOut,
    TooLarge,
    UnsupportedMedia,
)
from server.transcript import Finished, Progress, SegmentReady
from tests.audio_files import tone, write
from tests.engine.supervisor.conftest import job, run, running, supervised, transcript, until, watched


async def test_a_job_ends_with_its_transcript(engine: SupervisedEngine, speech: Path) -> None:
    seen = watched(engine)
    events = await run(engine, speech)
    assert events[0] == Progress(0.0, None, "queue")
    finished = events[-1]
    assert isinstance(finished, Finished)
    streamed = [event.segment for event in events if isinstance(event, SegmentReady)]
    assert streamed == list(finished.transcript.segments) != []
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert (progress[-1].done, progress[-1].total) == pytest.approx((70.0, 70.0), abs=0.01)
    assert finished.transcript.duration == pytest.approx(70.0, abs=0.01)
    assert finished.transcript.queue_seconds > 0, "it waited for the model"
    status = engine.status()
    assert (status.state, status.queued, status.running, status.waiting_seconds) == ("ready", 0, 0, 0.0)
    assert status.speed
    windows = sum(run.windows for run in seen if isinstance(run, StageRun) and run.stage == "encoder")
    assert windows == 4, "the last one, of 10 s, has a doubtful text and is encoded again in full"
    assert [wait.seconds for wait in seen if isinstance(wait, QueueTime)] == [
        pytest.approx(finished.transcript.queue_seconds, abs=1e-3)
    ]


async def test_status_names_devices_reasons_and_processes(engine: SupervisedEngine, speech: Path) -> None:
    assert engine.status().state == "starting"
    await run(engine, speech)
    status = engine.status()
    stages = {choice.stage: choice for choice in status.stages}
    assert stages["encoder"].device == "cpu"
    assert "no NPU" in stages["mel"].reason
    assert "until requests have shown the speed" in stages["decoder"].reason
    (card,) = [card for card in status.models if card.id == status.default_model]
    assert (card.loaded, card.multilingual, "whisper-1" in card.aliases) == (True, True, True)
    (process,) = status.processes
    assert (process.model, process.state, process.restarts) == (status.default_model, "ready", 0)
    assert process.rss_bytes > 50 << 20


async def test_status_and_answers_name_a_simulated_npu(
    tiny_multilingual: Path, speech: Path, simulated_kernels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernels serve no model with heads of 32 dimensions, so the encoder of this one stays on the CPU."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(simulated_kernels))
    async with running(tiny_multilingual, npu={"mode": "simulated"}) as engine:
        answered = {stage.stage: stage for stage in (await transcript(engine, speech)).stages}
        status = engine.status()
    chosen = {choice.stage: choice for choice in status.stages}
    assert chosen["mel"].device == answered["mel"].device == "npu (simulated)"
    assert chosen["mel"].reason == answered["mel"].reason
    assert chosen["encoder"].device == answered["encoder"].device == "cpu"
    assert "heads of 64 dimensions, not of 32" in chosen["encoder"].reason
    assert any(note.startswith("NPU self-test mel_80.energies") for note in status.notes)


def test_the_process_that_speaks_http_loads_no_model() -> None:
    import subprocess

    script = (
        "import sys, server.api.app, server.engine.supervisor\n"
        "heavy = {'ctranslate2', 'torch', 'onnxruntime', 'openvino', 'av', 'librosa', 'faster_whisper'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_errors_of_the_request_come_through_as_they_are(engine: SupervisedEngine, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no audio")
    with pytest.raises(UnsupportedMedia):
        await run(engine, tmp_path / "a.wav")
    with pytest.raises(ModelNotFound):
        await run(engine, tmp_path / "a.wav", model="no-such-model")
    with pytest.raises(InvalidInput, match="no CTC head") as caught:
        await run(engine, tmp_path / "a.wav", align="ctc")
    assert caught.value.param == "align"
    with pytest.raises(InvalidInput):
        await run(engine, tmp_path / "a.wav", language="xx")
    assert engine.status().queued == engine.status().running == 0


async def test_an_oversized_recording_fails_alone(tiny_multilingual: Path, speech: Path, tmp_path: Path) -> None:
    short = write(tmp_path / "short.wav", tone(3.0))
    async with running(tiny_multilingual, server={"max_audio_seconds": 60}) as engine:
        oversized, fine = await asyncio.gather(run(engine, speech), transcript(engine, short), return_exceptions=True)
        assert isinstance(oversized, TooLarge)
        assert not isinstance(fine, BaseException)


async def test_a_path_is_no_model_name_in_a_request(engine: SupervisedEngine, speech: Path, tiny_english: Path) -> None:
    for name in (str(tiny_english), "../tiny-english", "/etc"):
        with pytest.raises(ModelNotFound):
            await run(engine, speech, model=name)


async def test_one_more_than_the_queue_holds_is_told_when_to_come_back(tiny_multilingual: Path, speech: Path) -> None:
    async with running(tiny_multilingual, server={"max_queue": 2}) as engine:
        waiting = [engine.transcribe(job(speech)) for _ in range(2)]
        for iterator in waiting:
            await anext(iterator)
        with pytest.raises(Overloaded) as caught:
            await run(engine, speech)
        assert caught.value.retry_after >= 1
        for iterator in waiting:
            await iterator.aclose()
        assert await run(engine, speech), "the queue has a free place again"


async def test_audio_that_waits_is_bounded_in_seconds(tiny_multilingual: Path, tmp_path: Path) -> None:
    long = write(tmp_path / "long.wav", tone(1200.0))
    async with running(tiny_multilingual, engine={"max_queue_seconds": 600}) as engine:
        first = engine.transcribe(job(long))
        await anext(first)
        await until(lambda: engine.status().waiting_seconds > 600)
        with pytest.raises(Overloaded, match="seconds of audio are waiting") as caught:
            await run(engine, long)
        assert caught.value.retry_after >= 1
        await first.aclose()
        assert engine.status().waiting_seconds == 0


async def test_windows_of_a_client_that_left_are_dropped_within_a_batch(
    engine: SupervisedEngine, tmp_path: Path, speech: Path
) -> None:
    await transcript(engine, speech)
    seen = watched(engine)
    long = write(tmp_path / "long.wav", tone(1200.0))
    iterator = engine.transcribe(job(long))
    async for event in iterator:
        if isinstance(event, SegmentReady):
            break
    await iterator.aclose()
    await asyncio.sleep(0.1)
    before = sum(run.windows for run in seen if isinstance(run, StageRun) and run.stage == "encoder")
    await transcript(engine, speech)
    after = sum(run.windows for run in seen if isinstance(run, StageRun) and run.stage == "encoder")
    assert after - before <= 3 + 4, "its own three, and a batch that ran"
    assert before < 40
    assert engine.status().queued == engine.status().running == 0


async def test_a_job_whose_client_left_while_the_model_was_loading_is_never_begun(
    engine: SupervisedEngine, speech: Path, tmp_path: Path
) -> None:
    seen = watched(engine)
    left = engine.transcribe(job(tmp_path / "not-there.wav", "2"))
    await anext(left)
    await left.aclose()
    await transcript(engine, speech)
    assert sum(isinstance(what, QueueTime) for what in seen) == 1


async def test_a_job_whose_deadline_passes_is_dropped(tiny_multilingual: Path, tmp_path: Path) -> None:
    long = write(tmp_path / "long.wav", tone(1200.0))
    async with running(tiny_multilingual, engine={"timeout_seconds": 0.5}) as engine:
        with pytest.raises(TimedOut, match=r"within 0\.5 s"):
            await run(engine, long)
        assert engine.status().queued == engine.status().running == 0


async def test_a_model_that_cannot_load_is_reported_not_hidden(tmp_path: Path, speech: Path) -> None:
    async with running(tmp_path / "nowhere") as broken:
        with pytest.raises(ModelUnavailable, match="nowhere"):
            await run(broken, speech)
        assert broken.status().state == "failed"
        assert "nowhere" in (broken.status().error or "")
        with pytest.raises(ModelUnavailable, match="nowhere"):
            await run(broken, speech)


async def test_a_model_that_is_put_right_is_served(tiny_english: Path, tmp_path: Path, speech: Path) -> None:
    directory = tmp_path / "late"
    async with running(directory) as engine:
        with pytest.raises(ModelUnavailable):
            await run(engine, speech)
        directory.symlink_to(tiny_english)
        assert (await transcript(engine, speech)).duration
        assert engine.status().state == "ready"


async def test_before_start_and_after_stop_nothing_is_taken(tiny_multilingual: Path, speech: Path) -> None:
    stopped = supervised(tiny_multilingual)
    with pytest.raises(NotReady):
        await run(stopped, speech)
    await stopped.start()
    pending = asyncio.create_task(run(stopped, speech))
    await asyncio.sleep(0.1)
    await stopped.stop()
    with pytest.raises(NotReady):
        await pending
    with pytest.raises(NotReady):
        await run(stopped, speech)
    assert (stopped.status().state, stopped.status().processes) == ("stopped", ())


def test_an_npu_that_is_not_there_cannot_be_required(tiny_multilingual: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        supervised(tiny_multilingual, npu={"mode": "required", "device": str(tmp_path / "accel0")})
    assert caught.value.param == "npu.mode"
