"""The answers of OpenAI's audio routes, read by OpenAI's own client and validated strictly by its own types."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest
from openai.types.audio import Transcription, TranscriptionDiarized, TranscriptionVerbose, Translation
from openai.types.audio.translation_verbose import TranslationVerbose

from server.formats import DEMO_NOTICE
from server.transcript import DiarizeOptions
from tests.api.posting import TRANSCRIPTIONS, post_openai, strict
from tests.api.scripted import DEMO, SILENCE, SPOKEN, TRANSCRIPT, ScriptedEngine, steps


def test_json(client: openai.OpenAI, wav: bytes) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(model="whisper-1", file=wav)
    assert json.loads(raw.content) == {
        "text": TRANSCRIPT.text,
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 3.5},
    }
    strict(Transcription, raw.content)
    parsed = raw.parse()
    assert isinstance(parsed, Transcription)
    assert parsed.text == TRANSCRIPT.text
    assert parsed._request_id


def test_json_with_logprobs(client: openai.OpenAI, engine: ScriptedEngine, wav: bytes) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(model="whisper-1", file=wav, include=["logprobs"])
    parsed = Transcription.model_validate_json(raw.content)
    assert parsed.logprobs is not None
    assert [entry.logprob for entry in parsed.logprobs] == [-0.1, -0.2, -0.3]
    assert parsed.logprobs[1].bytes == [32, 113, 117, 195]
    assert engine.jobs[0].options.token_logprobs is True


def test_verbose_json(client: openai.OpenAI, wav: bytes) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=wav, response_format="verbose_json"
    )
    body = strict(TranscriptionVerbose, raw.content)
    assert (body.language, body.duration, body.words) == ("english", 3.5, None)
    assert json.loads(raw.content)["task"] == "transcribe"
    assert json.loads(raw.content)["segments"][1] == {
        "id": 1,
        "seek": 3000,
        "start": 2.0,
        "end": 3.4,
        "text": " It cost $43,000 <b>& -->",
        "tokens": [632, 1575],
        "temperature": 0.2,
        "avg_logprob": -0.5,
        "compression_ratio": 1.1,
        "no_speech_prob": 0.02,
    }


@pytest.mark.parametrize(
    ("granularities", "words", "segments"),
    [([], None, 2), (["segment"], None, 2), (["word"], 8, None), (["word", "segment"], 8, 2)],
)
@pytest.mark.parametrize("brackets", ["[]", ""])
def test_timestamp_granularities(
    http: httpx2.Client,
    wav: bytes,
    granularities: list[str],
    words: int | None,
    segments: int | None,
    brackets: str,
) -> None:
    fields = [(f"timestamp_granularities{brackets}", name) for name in granularities]
    body = strict(TranscriptionVerbose, post_openai(http, wav, [("response_format", "verbose_json"), *fields]).content)
    assert (body.words and len(body.words), body.segments and len(body.segments)) == (words, segments)


def test_diarized_json(client: openai.OpenAI, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(SPOKEN)
    raw = client.audio.transcriptions.with_raw_response.create(
        model="gpt-4o-transcribe", file=wav, response_format="diarized_json", chunking_strategy="auto"
    )
    body = strict(TranscriptionDiarized, raw.content)
    assert [(segment.id, segment.speaker) for segment in body.segments] == [("0", "A"), ("1", "B")]
    assert body.task == "transcribe"
    assert engine.jobs[0].options.diarize == DiarizeOptions()


@pytest.mark.parametrize(
    ("response_format", "content_type"),
    [("text", "text/plain; charset=utf-8"), ("srt", "application/x-subrip"), ("vtt", "text/vtt; charset=utf-8")],
)
def test_text_formats(client: openai.OpenAI, wav: bytes, response_format: Any, content_type: str) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=wav, response_format=response_format
    )
    assert raw.headers["content-type"] == content_type
    text = client.audio.transcriptions.create(model="whisper-1", file=wav, response_format=response_format)
    assert isinstance(text, str)
    assert text == raw.content.decode()
    assert text.endswith("\n")


def test_times_keep_their_milliseconds(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(SPOKEN)
    times = [(0.1, 1.0), (2.0, 3.4)]  # 1.9996 to the millisecond
    for response_format in ("verbose_json", "diarized_json"):
        body = post_openai(http, wav, [("response_format", response_format)]).json()
        assert [(segment["start"], segment["end"]) for segment in body["segments"]] == times
        assert body["duration"] == 3.5
    assert "00:00:00,100 --> " in post_openai(http, wav, [("response_format", "srt")]).text
    assert "00:00:00.100 --> " in post_openai(http, wav, [("response_format", "vtt")]).text


def test_silence(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(SILENCE)
    assert strict(Transcription, post_openai(http, wav, []).content).text == ""
    verbose = strict(TranscriptionVerbose, post_openai(http, wav, [("response_format", "verbose_json")]).content)
    assert (verbose.text, verbose.segments, verbose.duration) == ("", [], 2.0)
    diarized = strict(TranscriptionDiarized, post_openai(http, wav, [("response_format", "diarized_json")]).content)
    assert diarized.segments == []
    bodies = {name: post_openai(http, wav, [("response_format", name)]).text for name in ("text", "srt", "vtt")}
    assert bodies == {"text": "", "srt": "", "vtt": "WEBVTT\n\n"}


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the whole resource, since openai 3.52
def test_translations(client: openai.OpenAI, engine: ScriptedEngine, wav: bytes) -> None:
    raw = client.audio.translations.with_raw_response.create(model="whisper-1", file=wav)
    assert json.loads(raw.content) == {"text": TRANSCRIPT.text}
    strict(Translation, raw.content)
    assert engine.jobs[0].options.task == "translate"


def test_verbose_translation_is_in_english(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(replace(TRANSCRIPT, task="translate", language="de"))
    route = "/v1/audio/translations"
    body = strict(TranslationVerbose, post_openai(http, wav, [("response_format", "verbose_json")], route).content)
    assert body.language == "english"
    assert len(body.segments) == 2
    assert post_openai(http, wav, [("response_format", "srt")], route).text.startswith("1\n")
    refused = post_openai(http, wav, [("response_format", "diarized_json")], route)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "response_format")


def test_demo_model_says_so_without_breaking_the_type(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(DEMO)
    response = post_openai(http, wav, [("response_format", "verbose_json")])
    strict(TranscriptionVerbose, response.content)
    assert (response.headers["x-model"], response.headers["x-whisperx-npu-notice"]) == ("demo", DEMO_NOTICE)


def test_headers_say_which_device_ran_and_what_was_not_done(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes
) -> None:
    engine.steps = steps(replace(TRANSCRIPT, warnings=("No aligner for 中.\n", "Second."), queue_seconds=0.25))
    response = post_openai(http, wav, [])
    timing = (
        r'upload;dur=[\d.]+, queue;dur=250\.0, mel;dur=1\.5;desc="cpu", encoder;dur=20\.0;desc="cpu", total;dur=[\d.]+'
    )
    assert re.fullmatch(timing, response.headers["server-timing"])
    assert response.headers["x-whisperx-npu-warning"] == "No aligner for ?. Second."


def test_other_language_has_its_english_name(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(replace(TRANSCRIPT, language="de"))
    assert post_openai(http, wav, [("response_format", "verbose_json")]).json()["language"] == "german"


def test_file_name_and_type_are_not_trusted(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    response = http.post(TRANSCRIPTIONS, files={"file": ("../../etc/passwd.html", wav, "text/html")})
    assert response.status_code == 200
    assert "passwd" not in str(engine.jobs[0].path)


async def test_async_client(url: str, engine: ScriptedEngine, wav: bytes) -> None:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        answer = await client.audio.transcriptions.create(model="whisper-1", file=wav)
    assert answer.text == TRANSCRIPT.text
