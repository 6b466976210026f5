"""Recordings of every kind against the real engine: an answer of the right shape, or a clear refusal.

The model has random weights, so its text means nothing; shapes, times and errors are tested.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from openai.types.audio import Transcription, TranscriptionVerbose

from server.api import create_app
from server.engine.supervisor import SupervisedEngine
from server.settings.load import Settings, load_settings
from tests.api.audio import DAMAGED, HEARD, NO_AUDIO, SHORT, WAV, sound, tone
from tests.api.live import LOADING, emptied, serving, waited
from tests.audio_files import TrackSource, write_tracks
from tests.audio_files import tone as sine

URL = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def real_settings(tiny_multilingual: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with the cheapest decoding: greedy, at one temperature, with few tokens."""
    return load_settings(
        model={"name": str(tiny_multilingual), "cache_dir": tmp_path_factory.mktemp("models"), "offline": True},
        decode={"temperatures": [0.0], "beam_size": 1, "max_new_tokens": 12},
        server={"max_upload_mb": 64, "max_audio_seconds": 600},
    )


@pytest.fixture(scope="module")
def real_url(real_settings: Settings, uploads: Path) -> Iterator[str]:
    with serving(create_app(real_settings, SupervisedEngine(real_settings))) as base:
        assert waited(lambda: httpx2.get(f"{base}/readyz").status_code == 200, LOADING)
        yield base


@pytest.fixture(scope="module")
def real(real_url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=real_url, timeout=60) as client:
        yield client


def verbose(http: httpx2.Client, name: str, data: bytes) -> httpx2.Response:
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"], "language": "en"}
    return http.post(URL, files={"file": (name, data)}, data=fields)


def well_formed(response: httpx2.Response) -> dict[str, Any]:
    """Return the body of a verbose_json response, validated strictly, with times in order and inside the recording."""
    assert response.status_code == 200, response.text
    TranscriptionVerbose.model_validate_json(response.content, strict=True)
    body: dict[str, Any] = response.json()
    for entries in (body["segments"], body["words"]):
        for entry in entries:
            assert 0 <= entry["start"] <= entry["end"] <= body["duration"] + 0.05
        starts = [entry["start"] for entry in entries]
        assert starts == sorted(starts)
    assert "".join(segment["text"] for segment in body["segments"]).strip() == body["text"]
    return body


def refused(response: httpx2.Response) -> dict[str, Any]:
    assert response.status_code == 400, response.text
    error: dict[str, Any] = response.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", "file")
    assert error["message"]
    return error


@pytest.mark.parametrize("name", HEARD)
def test_kinds_of_recordings(real: httpx2.Client, name: str) -> None:
    assert well_formed(verbose(real, name, HEARD[name]))["duration"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", SHORT)
def test_next_to_nothing_is_silence(real: httpx2.Client, name: str) -> None:
    body = well_formed(verbose(real, name, SHORT[name]))
    assert (body["text"], body["segments"]) == ("", [])
    for response_format, expected in {"text": "", "srt": "", "vtt": "WEBVTT\n\n"}.items():
        response = real.post(URL, files={"file": SHORT[name]}, data={"response_format": response_format})
        assert (response.status_code, response.text) == (200, expected)
    answer = real.post("/transcribe", files={"file": SHORT[name]}).json()
    assert (answer["text"], answer["realtime_factor"] >= 0) == ("", True)


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_recordings(real: httpx2.Client, name: str) -> None:
    response = verbose(real, name, DAMAGED[name])
    if response.status_code == 200:
        well_formed(response)
    else:
        refused(response)


@pytest.mark.parametrize("name", NO_AUDIO)
def test_what_is_no_recording_is_refused(real: httpx2.Client, name: str) -> None:
    error = refused(verbose(real, name, NO_AUDIO[name]))
    assert error["code"] == "unsupported_media"
    raw = real.post("/transcribe", content=NO_AUDIO[name], headers={"Content-Type": "audio/wav"})
    assert refused(raw)["code"] == "unsupported_media"


def test_recording_over_the_limit(real_settings: Settings, uploads: Path) -> None:
    limited = real_settings.server.model_copy(update={"max_audio_seconds": 1})
    settings = real_settings.model_copy(update={"server": limited})
    long = sound(tone(1.5), 16_000)
    with serving(create_app(settings, SupervisedEngine(settings))) as url:
        response = httpx2.post(f"{url}/transcribe", files={"file": long}, timeout=60)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("folder", ["containers", "broken", "short", "noise", "vad"])
def test_shared_recordings(real: httpx2.Client, shared_audio: Path, folder: str) -> None:
    for path in sorted((shared_audio / folder).iterdir()):
        response = verbose(real, path.name, path.read_bytes())
        if (folder == "broken" and response.status_code == 400) or path.suffix == ".raw":
            refused(response)
        else:
            well_formed(response)


def test_formats_agree(real: httpx2.Client) -> None:
    bodies = {
        name: real.post(URL, files={"file": WAV}, data={"response_format": name, "language": "en", "vad": "false"})
        for name in ("json", "text", "verbose_json", "srt", "vtt")
    }
    text = Transcription.model_validate_json(bodies["json"].content, strict=True).text
    assert text
    assert bodies["text"].text == f"{text}\n"
    assert bodies["verbose_json"].json()["text"] == text
    assert bodies["srt"].text.startswith("1\n00:00:0")
    assert bodies["vtt"].text.startswith("WEBVTT\n\n00:00:0")
    answer = real.post("/transcribe", files={"file": WAV}, data={"language": "en", "vad_filter": "false"}).json()
    assert answer["text"] == text
    assert {stage["stage"] for stage in answer["stages"]} >= {"decode", "mel", "encoder", "decoder"}


def test_stream_says_the_same(real: httpx2.Client, real_url: str) -> None:
    fields = {"language": "en", "vad": "false"}
    plain = real.post(URL, files={"file": WAV}, data=fields).json()["text"]
    with openai.OpenAI(base_url=f"{real_url}/v1", api_key="none") as client:
        stream = client.audio.transcriptions.create(
            model="whisper-1", file=WAV, language="en", stream=True, extra_body={"vad": False}
        )
        events = list(stream)
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == plain
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == plain


ROUTES = ["/transcribe", "/v1/audio/transcriptions", "/v1/audio/translations"]


@pytest.mark.parametrize("route", ROUTES)
def test_a_track_that_is_not_there_is_400_with_the_list(real: httpx2.Client, tmp_path: Path, route: str) -> None:
    tracks = [TrackSource(sine(1), language="ger"), TrackSource(sine(1), language="eng", default=True)]
    film = write_tracks(tmp_path / "film.mkv", tracks).read_bytes()
    response = real.post(route, files={"file": film}, data={"audio_track": "nl"})
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, "audio_track", "invalid_value")
    assert "1 (ger, pcm_s16le); 2 (eng, pcm_s16le, default)" in error["message"]
    assert real.post(route, files={"file": film}, data={"audio_track": "de"}).status_code == 200


@pytest.mark.parametrize("route", ROUTES)
def test_raw_audio(real: httpx2.Client, route: str) -> None:
    raw = (sine(2.0, 8_000) * 32_767).astype("<i2").tobytes()
    fields = {"input_format": "linear16", "sample_rate": "8000", "response_format": "text"}
    assert real.post(route, files={"file": raw}, data=fields).status_code == 200
    assert "input_format" in refused(real.post(route, files={"file": raw}))["message"]


def test_logprobs(real: httpx2.Client) -> None:
    fields = {"language": "en", "vad": "false", "include[]": "logprobs"}
    body = real.post(URL, files={"file": WAV}, data=fields).json()
    assert b"".join(bytes(entry["bytes"]) for entry in body["logprobs"]).decode("utf-8", "replace").strip()
    assert all(entry["logprob"] <= 0 for entry in body["logprobs"])


@pytest.mark.parametrize("route", [URL, "/transcribe"])
def test_the_language_is_one_of_the_candidates(real: httpx2.Client, route: str) -> None:
    fields = {"vad": "false"} if route == URL else {"vad_filter": "false"}
    for candidates in (["de", "nl"], ["ja", "ko"]):
        body = real.post(route, files={"file": WAV}, data={**fields, "languages[]": candidates}).json()
        assert (body["language"] if route != URL else body["languages"][0]["code"]) in candidates
    response = real.post(route, files={"file": WAV}, data={"languages[]": ["de", "yue"]})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "languages"), "this model has no yue"


def test_models_and_status(real: httpx2.Client, tiny_multilingual: Path) -> None:
    body = real.get("/v1/status").json()
    assert body["state"] == "ready"
    assert {stage["stage"] for stage in body["stages"]} >= {"mel", "encoder", "decoder"}
    assert str(tiny_multilingual.parent) not in json.dumps(body)
    ids = [model["id"] for model in real.get("/v1/models").json()["data"]]
    assert {"whisper-1", body["default_model"]} <= set(ids)
    for name in ids:
        assert real.get(f"/v1/models/{name}").json()["id"] == name
    for name in ("no/such", "../../etc", str(tiny_multilingual)):
        response = real.post(URL, files={"file": WAV}, data={"model": name})
        assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")


async def test_answers_belong_to_their_requests(real_url: str) -> None:
    lengths = [0.5 + 0.25 * index for index in range(16)]
    async with openai.AsyncOpenAI(base_url=f"{real_url}/v1", api_key="none") as client:
        answers = await asyncio.gather(
            *(
                client.audio.transcriptions.create(
                    model="whisper-1", file=sound(tone(length), 16_000), response_format="verbose_json", language="en"
                )
                for length in lengths
            )
        )
    assert [answer.duration for answer in answers] == pytest.approx(lengths)


def test_full_queue_and_a_server_that_still_answers(real_settings: Settings, uploads: Path) -> None:
    limited = real_settings.server.model_copy(update={"max_queue": 1})
    settings = real_settings.model_copy(update={"server": limited})
    long = sound(np.tile(tone(10.0), 24), 16_000)
    with (
        serving(create_app(settings, SupervisedEngine(settings))) as url,
        httpx2.Client(base_url=url, timeout=60) as http,
        ThreadPoolExecutor() as threads,
    ):
        assert waited(lambda: http.get("/readyz").status_code == 200, LOADING)
        fields = {"vad_filter": "false"}
        first = threads.submit(http.post, "/transcribe", files={"file": long}, data=fields)
        assert waited(lambda: http.get("/v1/status").json()["queue"]["running"] == 1), "deaf while it computed"
        second = http.post("/transcribe", files={"file": WAV}, data=fields)
        assert (second.status_code, second.json()["error"]["code"]) == (429, "queue_full")
        assert int(second.headers["retry-after"]) >= 1
        assert not first.done()
        assert first.result().status_code == 200
        assert http.post("/transcribe", files={"file": WAV}, data=fields).status_code == 200


def test_channels_are_speakers_on_every_route(real: httpx2.Client) -> None:
    """The worker process transcribes two channels of noise, in answers and in streams."""
    noise = np.random.default_rng(0).normal(0, 0.05, (35 * 16_000, 2)).astype(np.float32)
    call = sound(noise, 16_000)
    both = {"SPEAKER_00", "SPEAKER_01"}
    fields = {"channels": "split", "language": "en"}
    body = real.post("/transcribe", files={"file": call}, data={**fields, "vad_filter": "false"}).json()
    assert {segment["speaker"] for segment in body["segments"]} == set(body["speakers"]["labels"]) == both
    assert {word["speaker"] for segment in body["segments"] for word in segment["words"]} == both
    assert [segment["id"] for segment in body["segments"]] == list(range(len(body["segments"])))
    shape = {"vad": "false", "response_format": "diarized_json"}
    diarized = real.post(URL, files={"file": call}, data={**fields, **shape})
    assert diarized.status_code == 200, diarized.text
    assert {segment["speaker"] for segment in diarized.json()["segments"]} == {"A", "B"}
    streamed = real.post(URL, files={"file": call}, data={**fields, **shape, "stream": "true"}).text
    events = [json.loads(line.removeprefix("data: ")) for line in streamed.split("\n\n")[:-2]]
    deltas = [event["segment_id"] for event in events if event["type"] == "transcript.text.delta"]
    said = [event for event in events if event["type"] == "transcript.text.segment"]
    assert sorted(deltas, key=int) == sorted((segment["id"] for segment in said), key=int)
    starts = [segment["start"] for segment in said]
    assert starts == sorted(starts)
    many = real.post("/transcribe", files={"file": sound(np.zeros((1600, 9), np.float32), 16_000)}, data=fields)
    assert (many.status_code, many.json()["error"]["param"]) == (400, "channels")


def test_uploads_are_gone(real: httpx2.Client, uploads: Path) -> None:
    for data in (WAV, NO_AUDIO["text.txt"]):
        real.post("/transcribe", files={"file": data})
    assert emptied(uploads)
