"""stream=true with OpenAI's own client: the events, their order, and errors before and after the first event."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types.audio import (
    TranscriptionStreamEvent,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionTextSegmentEvent,
)
from pydantic import BaseModel

from server.api.output import sse
from server.errors import EngineFailure, Overloaded
from server.formats import DEMO_NOTICE
from server.transcript import Progress, SegmentReady
from tests.api.live import emptied
from tests.api.posting import TRANSCRIPTIONS
from tests.api.scripted import DEMO, READY, SEGMENTS, SILENCE, SPOKEN, TRANSCRIPT, Hang, Pause, ScriptedEngine, steps

EVENT_TYPES: dict[str, type[BaseModel]] = {
    "transcript.text.delta": TranscriptionTextDeltaEvent,
    "transcript.text.segment": TranscriptionTextSegmentEvent,
    "transcript.text.done": TranscriptionTextDoneEvent,
}


def events(http: httpx2.Client, wav: bytes, **fields: str) -> list[dict[str, Any]]:
    """Request a streamed transcription, and return its events as sent, each validated strictly by OpenAI's type.

    The stream must end with [DONE].
    """
    response = http.post(TRANSCRIPTIONS, files={"file": wav}, data={"stream": "true", **fields})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *blocks, last, rest = response.text.split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    bodies = [block.removeprefix("data: ") for block in blocks]
    found = [json.loads(body) for body in bodies]
    for body, event in zip(bodies, found, strict=True):
        EVENT_TYPES[event["type"]].model_validate_json(body, strict=True)
    return found


def joined(found: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in found if event["type"] == "transcript.text.delta")


def test_deltas_join_to_the_text(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    found = events(http, wav)
    assert [event["type"] for event in found] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
    assert joined(found) == found[-1]["text"] == TRANSCRIPT.text
    assert found[-1]["usage"] == {"type": "tokens", "input_tokens": 4, "output_tokens": 6, "total_tokens": 10}


def test_client_reads_it(client: openai.OpenAI, engine: ScriptedEngine, wav: bytes) -> None:
    text, done = "", None
    with client.audio.transcriptions.create(model="whisper-1", file=wav, stream=True) as stream:
        for event in stream:
            if event.type == "transcript.text.delta":
                text += event.delta
            elif event.type == "transcript.text.done":
                done = event.text
    assert text == done == TRANSCRIPT.text


async def test_async_client_reads_it(url: str, engine: ScriptedEngine, wav: bytes) -> None:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        stream = await client.audio.transcriptions.create(model="whisper-1", file=wav, stream=True)
        text = "".join([event.delta async for event in stream if event.type == "transcript.text.delta"])
    assert text == TRANSCRIPT.text


def test_text_arrives_before_the_end(client: openai.OpenAI, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = [SegmentReady(SEGMENTS[0]), Hang()]
    with client.audio.transcriptions.create(model="whisper-1", file=wav, stream=True) as stream:
        first = next(iter(stream))
    assert first.type == "transcript.text.delta"
    assert first.delta == "The quick fox."
    assert engine.closed.wait(10), "the engine went on for a client that had left"


def test_diarized(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(SPOKEN)
    found = events(http, wav, response_format="diarized_json")
    segments = [event for event in found if event["type"] == "transcript.text.segment"]
    assert [(segment["id"], segment["speaker"]) for segment in segments] == [("0", "A"), ("1", "B")]
    assert [event["segment_id"] for event in found if event["type"] == "transcript.text.delta"] == ["0", "1"]
    assert found[-1]["type"] == "transcript.text.done"
    assert joined(found) == found[-1]["text"]


def test_logprobs(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    found = events(http, wav, **{"include[]": "logprobs"})
    assert [len(event["logprobs"]) for event in found] == [2, 1, 3]
    assert engine.jobs[0].options.token_logprobs is True


def test_silence(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(SILENCE)
    (done,) = events(http, wav)
    assert (done["type"], done["text"], done["languages"]) == ("transcript.text.done", "", [])


def test_demo_model_says_so(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(DEMO)
    response = http.post(TRANSCRIPTIONS, files={"file": wav}, data={"stream": "true", "model": "demo"})
    assert (response.headers["x-model"], response.headers["x-whisperx-npu-notice"]) == ("demo", DEMO_NOTICE)


def test_a_model_that_is_still_being_pulled_is_named(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.state = replace(READY, models=())
    response = http.post(TRANSCRIPTIONS, files={"file": wav}, data={"stream": "true"})
    assert response.headers["x-model"] == "tiny-model"
    assert "x-whisperx-npu-notice" not in response.headers


def test_error_before_the_first_event_keeps_its_status(
    client: openai.OpenAI, engine: ScriptedEngine, wav: bytes
) -> None:
    engine.steps = [Progress(0, None, "decode"), Overloaded("The queue is full.", retry_after=200)]
    with pytest.raises(openai.RateLimitError) as caught:
        client.audio.transcriptions.create(model="whisper-1", file=wav, stream=True)
    assert caught.value.code == "queue_full"


@pytest.mark.parametrize(
    ("error", "message"),
    [(EngineFailure("The decoder failed."), "The decoder failed."), (RuntimeError("secret"), "Internal error")],
)
def test_error_midway_is_an_event(
    client: openai.OpenAI, http: httpx2.Client, engine: ScriptedEngine, wav: bytes, error: Exception, message: str
) -> None:
    engine.steps = [SegmentReady(SEGMENTS[0]), error]
    stream = client.audio.transcriptions.create(model="whisper-1", file=wav, stream=True)
    read: list[TranscriptionStreamEvent] = []
    with pytest.raises(openai.APIError, match=message):
        read.extend(stream)
    assert [event.type for event in read] == ["transcript.text.delta"]
    body = http.post(TRANSCRIPTIONS, files={"file": wav}, data={"stream": "true"}).text
    assert "[DONE]" not in body
    assert "secret" not in body
    assert set(json.loads(body.split("\n\n")[1].removeprefix("data: "))["error"]) == {
        "message",
        "type",
        "param",
        "code",
    }


def test_engine_that_just_ends_is_an_error(client: openai.OpenAI, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = [SegmentReady(SEGMENTS[0])]
    with pytest.raises(openai.APIError, match="without an answer"):
        list(client.audio.transcriptions.create(model="whisper-1", file=wav, stream=True))


def test_upload_lives_as_long_as_the_stream(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, uploads: Path
) -> None:
    engine.steps = [SegmentReady(SEGMENTS[0]), Hang()]
    with http.stream("POST", TRANSCRIPTIONS, files={"file": wav}, data={"stream": "true"}) as response:
        lines = response.iter_lines()
        assert next(lines)
        assert engine.hanging.wait(10)
        assert engine.jobs[0].path.read_bytes() == wav
    assert engine.closed.wait(10)
    assert emptied(uploads)


def test_long_silence_has_signs_of_life(
    client: openai.OpenAI, engine: ScriptedEngine, wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments reach a proxy during a long silence, and OpenAI's client ignores them."""
    monkeypatch.setattr(sse, "PULSE_SECONDS", 0.05)
    engine.steps = [Hang()]
    with client.audio.transcriptions.with_streaming_response.create(model="whisper-1", file=wav, stream=True) as raw:
        lines = raw.iter_lines()
        assert [next(lines) for _ in range(4)] == [": waiting", "", ": waiting", ""]
    assert engine.closed.wait(10), "the engine went on for a client that had left"
    engine.reset()
    engine.steps = [Pause(0.2), *steps(TRANSCRIPT)]
    with client.audio.transcriptions.create(model="whisper-1", file=wav, stream=True) as stream:
        kinds = [event.type for event in stream]
    assert kinds == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
