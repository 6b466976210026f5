"""OpenAI's audio routes with OpenAI's own client, and their raw bodies against OpenAI's own types."""

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
from pydantic import BaseModel

from server.api import create_app
from server.formats import DEMO_NOTICE
from server.settings.load import load_settings
from server.transcript import DiarizeOptions, Options
from tests.api.live import serving
from tests.api.scripted import DEMO, SILENCE, SPOKEN, TRANSCRIPT, ScriptedEngine, steps

URL = "/v1/audio/transcriptions"


def post(http: httpx2.Client, wav: bytes, fields: list[tuple[str, str]], route: str = URL) -> httpx2.Response:
    parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in fields]
    return http.post(route, files=[*parts, ("file", ("a.wav", wav))])


def strict(kind: type[BaseModel], body: bytes) -> Any:
    """OpenAI's client forgives missing fields; its types do not."""
    return kind.model_validate_json(body, strict=True)


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
    body = strict(TranscriptionVerbose, post(http, wav, [("response_format", "verbose_json"), *fields]).content)
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


def test_diarized_json_without_diarization(uploads: object, wav: bytes) -> None:
    with serving(create_app(load_settings(), ScriptedEngine())) as url, httpx2.Client(base_url=url) as http:
        response = post(http, wav, [("response_format", "diarized_json")])
        assert (response.status_code, response.json()["error"]["param"]) == (400, "response_format")
        assert "diarize.model" in response.json()["error"]["message"]
        response = http.post("/transcribe", files={"file": wav}, data={"enable_diarization": "true"})
        assert (response.status_code, response.json()["error"]["param"]) == (400, "enable_diarization")


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
        body = post(http, wav, [("response_format", response_format)]).json()
        assert [(segment["start"], segment["end"]) for segment in body["segments"]] == times
        assert body["duration"] == 3.5
    assert "00:00:00,100 --> " in post(http, wav, [("response_format", "srt")]).text
    assert "00:00:00.100 --> " in post(http, wav, [("response_format", "vtt")]).text


def test_silence(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(SILENCE)
    assert strict(Transcription, post(http, wav, []).content).text == ""
    verbose = strict(TranscriptionVerbose, post(http, wav, [("response_format", "verbose_json")]).content)
    assert (verbose.text, verbose.segments, verbose.duration) == ("", [], 2.0)
    assert strict(TranscriptionDiarized, post(http, wav, [("response_format", "diarized_json")]).content).segments == []
    bodies = {name: post(http, wav, [("response_format", name)]).text for name in ("text", "srt", "vtt")}
    assert bodies == {"text": "", "srt": "", "vtt": "WEBVTT\n\n"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("model", "whisper-1")], Options(model="whisper-1", align="off")),
        ([("language", "en")], Options(language="en", align="off")),
        ([("language", "english")], Options(language="en", align="off")),
        ([("languages[]", "de")], Options(language="de", align="off")),
        ([("languages", "de"), ("language", "de")], Options(language="de", align="off")),
        ([("prompt", "Hi."), ("keywords[]", "AIE2"), ("keywords[]", "Peano")], "AIE2, Peano"),
        ([("hotwords", "XRT"), ("keywords", "AIE2")], "XRT, AIE2"),
        ([("temperature", "0.5")], Options(temperature=0.5, align="off")),
        ([("temperature", "0")], Options(align="off")),
        ([("beam_size", "2"), ("vad", "false")], Options(beam_size=2, vad=False, align="off")),
        ([("align", "attention")], Options(align="attention")),
        ([("response_format", "srt")], Options()),
        ([("chunking_strategy", "auto")], Options(align="off")),
        (
            [
                ("chunking_strategy[type]", "server_vad"),
                ("chunking_strategy[threshold]", "0.6"),
                ("chunking_strategy[silence_duration_ms]", "400"),
                ("chunking_strategy[prefix_padding_ms]", "100"),
            ],
            Options(align="off", vad_threshold=0.6, vad_min_silence_ms=400, vad_pad_ms=100),
        ),
        (
            [("chunking_strategy", '{"type": "server_vad", "threshold": 0.25}')],
            Options(align="off", vad_threshold=0.25),
        ),
        ([("stream", "false"), ("batch_size", "8"), ("field_of_2027", "x")], Options(align="off")),
    ],
)
def test_fields_reach_the_engine(
    http: httpx2.Client,
    engine: ScriptedEngine,
    wav: bytes,
    fields: list[tuple[str, str]],
    expected: Options | str,
) -> None:
    assert post(http, wav, fields).status_code == 200
    options = engine.jobs[0].options
    assert (options.hotwords if isinstance(expected, str) else options) == expected


def test_client_sends_everything_it_knows(client: openai.OpenAI, engine: ScriptedEngine, wav: bytes) -> None:
    client.audio.transcriptions.create(
        model="whisper-1",
        file=("upload", wav),
        language="en",
        languages=["en"],
        keywords=["one", "two"],
        prompt="Before.",
        response_format="verbose_json",
        temperature=0.2,
        timestamp_granularities=["word", "segment"],
        chunking_strategy={"type": "server_vad", "threshold": 0.3, "silence_duration_ms": 200, "prefix_padding_ms": 50},
        extra_body={"beam_size": 4, "vad": True},
    )
    assert engine.jobs[0].options == Options(
        model="whisper-1",
        language="en",
        prompt="Before.",
        hotwords="one, two",
        temperature=0.2,
        beam_size=4,
        vad_threshold=0.3,
        vad_min_silence_ms=200,
        vad_pad_ms=50,
    )
    assert engine.bytes == [wav]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ([("response_format", "xml")], "response_format"),
        ([("timestamp_granularities[]", "sentence"), ("response_format", "verbose_json")], "timestamp_granularities"),
        ([("timestamp_granularities[]", "word")], "timestamp_granularities"),
        ([("include[]", "logprobs"), ("response_format", "verbose_json")], "include"),
        ([("include[]", "attention")], "include"),
        ([("temperature", "2")], "temperature"),
        ([("temperature", "-0.1")], "temperature"),
        ([("temperature", "warm")], "temperature"),
        ([("language", "xx")], "language"),
        ([("languages[]", "en"), ("languages[]", "de")], "languages"),
        ([("languages[]", "en"), ("languages[]", "xx")], "languages"),
        ([("chunking_strategy", "manual")], "chunking_strategy[type]"),
        ([("chunking_strategy", "{nonsense")], "chunking_strategy"),
        ([("chunking_strategy[threshold]", "0.5")], "chunking_strategy[type]"),
        (
            [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "7")],
            "chunking_strategy[threshold]",
        ),
        ([("chunking_strategy", "auto"), ("vad", "false")], "chunking_strategy"),
        ([("known_speaker_names[]", "Ann")], "known_speaker_names"),
        ([("known_speaker_references[]", "data:audio/wav;base64,UklGRg==")], "known_speaker_references"),
        ([("stream", "true"), ("response_format", "srt")], "stream"),
        ([("stream", "often")], "stream"),
        ([("prompt", "x" * 20_000)], "prompt"),
        ([("beam_size", "100")], "beam_size"),
        ([("align", "off"), ("response_format", "verbose_json"), ("timestamp_granularities", "word")], "align"),
        ([("language", "en"), ("language", "de")], "language"),
        ([("response_format[x]", "json")], "response_format"),
        ([("min_speakers", "4"), ("max_speakers", "2")], "min_speakers"),
    ],
)
def test_wrong_field_is_named(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, fields: list[tuple[str, str]], param: str
) -> None:
    response = post(http, wav, fields)
    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert not engine.jobs


def test_long_reference_recordings_get_the_same_clear_refusal(http: httpx2.Client, wav: bytes) -> None:
    reference = "data:audio/wav;base64," + "A" * 3_000_000
    response = post(http, wav, [("known_speaker_references[]", reference)])
    assert (response.status_code, response.json()["error"]["param"]) == (400, "known_speaker_references")


def test_word_times_come_although_alignment_is_configured_off(uploads: object, wav: bytes) -> None:
    engine = ScriptedEngine()
    app = create_app(load_settings(align={"method": "off"}), engine)
    with serving(app) as url, httpx2.Client(base_url=url) as http:
        fields = [("response_format", "verbose_json")]
        assert post(http, wav, [*fields, ("timestamp_granularities[]", "word")]).status_code == 200
        assert post(http, wav, fields).status_code == 200
    assert [job.options.align for job in engine.jobs] == ["auto", None]


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the whole resource, since openai 3.52
def test_translations(client: openai.OpenAI, engine: ScriptedEngine, wav: bytes) -> None:
    raw = client.audio.translations.with_raw_response.create(model="whisper-1", file=wav)
    assert json.loads(raw.content) == {"text": TRANSCRIPT.text}
    strict(Translation, raw.content)
    assert engine.jobs[0].options.task == "translate"


def test_verbose_translation_is_in_english(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(replace(TRANSCRIPT, task="translate", language="de"))
    route = "/v1/audio/translations"
    body = strict(TranslationVerbose, post(http, wav, [("response_format", "verbose_json")], route).content)
    assert body.language == "english"
    assert len(body.segments) == 2
    assert post(http, wav, [("response_format", "srt")], route).text.startswith("1\n")
    refused = post(http, wav, [("response_format", "diarized_json")], route)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "response_format")


def test_demo_model_says_so_without_breaking_the_type(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(DEMO)
    response = post(http, wav, [("response_format", "verbose_json")])
    strict(TranscriptionVerbose, response.content)
    assert (response.headers["x-model"], response.headers["x-whisperx-npu-notice"]) == ("demo", DEMO_NOTICE)


def test_headers_say_which_device_ran_and_what_was_not_done(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes
) -> None:
    engine.steps = steps(replace(TRANSCRIPT, warnings=("No aligner for 中.\n", "Second."), queue_seconds=0.25))
    response = post(http, wav, [])
    timing = (
        r'upload;dur=[\d.]+, queue;dur=250\.0, mel;dur=1\.5;desc="cpu", encoder;dur=20\.0;desc="cpu", total;dur=[\d.]+'
    )
    assert re.fullmatch(timing, response.headers["server-timing"])
    assert response.headers["x-whisperx-npu-warning"] == "No aligner for ?. Second."


def test_other_language_has_its_english_name(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(replace(TRANSCRIPT, language="de"))
    assert post(http, wav, [("response_format", "verbose_json")]).json()["language"] == "german"


def test_file_name_and_type_are_not_trusted(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    response = http.post(URL, files={"file": ("../../etc/passwd.html", wav, "text/html")})
    assert response.status_code == 200
    assert "passwd" not in str(engine.jobs[0].path)


async def test_async_client(url: str, engine: ScriptedEngine, wav: bytes) -> None:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        answer = await client.audio.transcriptions.create(model="whisper-1", file=wav)
    assert answer.text == TRANSCRIPT.text
