"""POST /transcribe: the answer holds everything that is known, in every format and as a stream."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import TypeAdapter

from server.engine.contract import Job
from server.errors import EngineFailure
from server.formats import DEMO_NOTICE, Answer, render
from server.transcript import Finished, Options, Progress, SegmentReady, StageTime
from tests.api.live import emptied
from tests.api.posting import post_transcribe
from tests.api.scripted import DEMO, SEGMENTS, SILENCE, SPOKEN, TRANSCRIPT, ScriptedEngine, steps


def test_answer_is_what_the_command_line_prints(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    response = post_transcribe(http, wav)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.text == render(TRANSCRIPT, Job(response.json()["job_id"], Path(), Options()), "json")
    TypeAdapter(Answer).validate_json(response.content, strict=True)


def test_answer_fields(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    body = post_transcribe(http, wav).json()
    assert body["text"] == TRANSCRIPT.text
    assert body["realtime_factor"] == 0.2
    assert body["segments"][1]["start"] == 2.0
    assert body["segments"][1]["words"][2] == {
        "word": "$43,000",
        "start": 2.5,
        "end": 3.1,
        "score": None,
        "interpolated": True,
    }
    assert "speaker" not in body["segments"][0]
    assert body["stages"] == [
        {"stage": "mel", "device": "cpu", "ms": 1.5},
        {"stage": "encoder", "device": "cpu", "ms": 20.0},
    ]
    assert body["demo"] is False
    assert "notice" not in body
    assert body["speakers"] == {"count": 0, "labels": []}
    assert (body["diarization_enabled"], body["vad_filter"]) == (False, True)


@pytest.mark.parametrize(
    ("response_format", "content_type", "start"),
    [
        ("text", "text/plain; charset=utf-8", "The quick fox. It"),
        ("srt", "application/x-subrip", "1\n00:00:00,100 --> 00:00:01,100\nThe quick fox.\n"),
        ("vtt", "text/vtt; charset=utf-8", "WEBVTT\n\n00:00:00.100 --> 00:00:01.100\nThe quick fox.\n"),
    ],
)
def test_text_formats(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, response_format: str, content_type: str, start: str
) -> None:
    response = post_transcribe(http, wav, response_format=response_format)
    assert response.headers["content-type"] == content_type
    assert response.text.startswith(start)
    assert response.text.endswith("\n")


def test_layout_of_subtitles(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    narrow = post_transcribe(http, wav, response_format="srt", max_line_width="10", max_line_count="2").text
    assert "The quick\nfox.\n" in narrow
    assert "It cost\n$43,000\n\n" in narrow
    underlined = post_transcribe(http, wav, response_format="vtt", highlight_words="true").text
    assert "00:00:00.300 --> 00:00:00.600\nThe <u>quick</u> fox.\n" in underlined


def test_speakers(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(SPOKEN)
    body = post_transcribe(http, wav, enable_diarization="true").json()
    assert body["diarization_enabled"] is True
    assert body["speakers"] == {"count": 2, "labels": ["SPEAKER_00", "SPEAKER_01"]}
    assert [segment["speaker"] for segment in body["segments"]] == ["SPEAKER_01", "SPEAKER_00"]


def test_demo_model_says_so(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(DEMO)
    response = post_transcribe(http, wav)
    assert response.json()["demo"] is True
    assert response.json()["notice"] == DEMO_NOTICE
    assert response.headers["x-model"] == "demo"
    assert response.headers["x-whisperx-npu-notice"] == DEMO_NOTICE
    assert post_transcribe(http, wav, response_format="srt").headers["x-whisperx-npu-notice"] == DEMO_NOTICE


@pytest.mark.parametrize(("device", "expected"), [("npu", 0.0125), ("simulated", None), ("cpu", None)])
def test_npu_mel_time_is_never_claimed(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, device: str, expected: float | None
) -> None:
    engine.steps = steps(replace(TRANSCRIPT, stages=(StageTime("mel", device, 12.5),)))
    assert post_transcribe(http, wav).json()["npu_mel_time"] == expected


def test_silence(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(SILENCE)
    body = post_transcribe(http, wav).json()
    assert (body["text"], body["segments"], body["duration"]) == ("", [], 2.0)
    bodies = {name: post_transcribe(http, wav, response_format=name).text for name in ("text", "srt", "vtt")}
    assert bodies == {"text": "", "srt": "", "vtt": "WEBVTT\n\n"}


@pytest.mark.parametrize("content_type", ["audio/wav", "application/octet-stream", "application/x-www-form-urlencoded"])
def test_raw_body_whatever_its_type(http: httpx2.Client, engine: ScriptedEngine, wav: bytes, content_type: str) -> None:
    response = http.post("/transcribe", content=wav, headers={"Content-Type": content_type})
    assert response.status_code == 200
    assert engine.bytes == [wav]


def test_empty_file_is_a_recording(http: httpx2.Client, engine: ScriptedEngine) -> None:
    engine.steps = steps(SILENCE)
    assert post_transcribe(http, b"").status_code == 200
    assert http.post("/transcribe", content=b"", headers={"Content-Type": "audio/wav"}).status_code == 200
    assert engine.bytes == [b"", b""]


def test_job_id_is_unique_whatever_id_the_client_chooses(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes
) -> None:
    for _ in range(2):
        response = http.post("/transcribe", files={"file": wav}, headers={"X-Request-Id": "my-own.id_7"})
        assert response.headers["x-request-id"] == "my-own.id_7"
        assert response.json()["job_id"] == engine.jobs[-1].id
    assert len({job.id for job in engine.jobs} | {"my-own.id_7"}) == 3
    response = http.post("/transcribe", files={"file": wav})
    assert response.json()["job_id"] == response.headers["x-request-id"]


def test_upload_does_not_outlive_the_request(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, uploads: Path
) -> None:
    post_transcribe(http, wav)
    assert engine.jobs[0].path.parent.parent == uploads == Path(tempfile.gettempdir())
    engine.steps = [RuntimeError("broken")]
    assert post_transcribe(http, wav).status_code == 500
    assert emptied(uploads)


def test_large_upload_arrives_whole(http: httpx2.Client, engine: ScriptedEngine) -> None:
    data = bytes(range(256)) * 4096 * 6 + b"end"
    assert post_transcribe(http, data).status_code == 200
    assert http.post("/transcribe", content=data, headers={"Content-Type": "audio/wav"}).status_code == 200
    assert engine.bytes == [data, data]


def streamed(http: httpx2.Client, wav: bytes, **fields: str) -> list[Any]:
    """Request a streamed transcription, and return its events; the stream must end with [DONE]."""
    response = http.post("/transcribe", files={"file": wav}, data={"stream": "true", **fields})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *blocks, last, rest = response.text.split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def test_stream(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    plain = http.post("/transcribe", files={"file": wav}).json()
    engine.steps = [
        Progress(0.0, None, "queue"),
        SegmentReady(SEGMENTS[0]),
        Progress(1.0, 3.5, "decoder"),
        SegmentReady(SEGMENTS[1]),
        Progress(3.5, 3.5, "decoder"),
        Finished(TRANSCRIPT),
    ]
    events = streamed(http, wav)
    progress = [event for event in events if event["type"] == "progress"]
    assert [(event["stage"], event["audio_seconds_done"], event["audio_seconds_total"]) for event in progress] == [
        ("queue", 0.0, None),
        ("decoder", 1.0, 3.5),
        ("decoder", 3.5, 3.5),
    ]
    assert [event["segment"] for event in events if event["type"] == "segment"] == plain["segments"]
    assert events[-1]["type"] == "done"
    assert {**events[-1]["transcript"], "job_id": plain["job_id"]} == plain


def test_stream_that_fails(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = [Progress(0.0, None, "queue"), EngineFailure("It broke.")]
    body = http.post("/transcribe", files={"file": wav}, data={"stream": "true"}).text
    last = body.split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "engine_failure"


def test_stream_is_json(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    response = http.post("/transcribe", files={"file": wav}, data={"stream": "true", "response_format": "srt"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "stream")
