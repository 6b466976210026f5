"""POST /transcribe: every field reaches the engine, or is refused by name."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from server.api.input.transcribe_form import TranscribeForm
from server.raw_formats import RawAudio
from server.transcript import AudioInput, DiarizeOptions, Options
from tests.api.posting import post_transcribe
from tests.api.scripted import ScriptedEngine


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Options()),
        ({"model": "whisper-1"}, Options(model="whisper-1")),
        ({"language": "de"}, Options(language="de")),
        ({"language": "German"}, Options(language="de")),
        ({"language": "auto"}, Options()),
        ({"languages[]": "German"}, Options(language="de")),
        ({"languages": ["de", "nl"]}, Options(languages=("de", "nl"))),
        ({"languages[]": ["de", "nl"], "language": "nl"}, Options(language="nl")),
        ({"task": "translate"}, Options(task="translate")),
        ({"prompt": "A talk."}, Options(prompt="A talk.")),
        ({"hotwords": "AIE2"}, Options(hotwords="AIE2")),
        ({"temperature": "0.4"}, Options(temperature=0.4)),
        ({"temperature": "0"}, Options(temperature=None)),
        ({"beam_size": "3"}, Options(beam_size=3)),
        ({"align": "ctc"}, Options(align="ctc")),
        ({"vad_filter": "false"}, Options(vad=False)),
        ({"enable_vad": "false"}, Options(vad=False)),
        ({"enable_diarization": "true"}, Options(diarize=DiarizeOptions())),
        (
            {"enable_diarization": "true", "min_speakers": "2", "max_speakers": "3"},
            Options(diarize=DiarizeOptions(2, 3)),
        ),
        ({"min_speakers": "1", "max_speakers": "10"}, Options()),
        ({"audio_track": "ger"}, Options(audio=AudioInput(track="ger"))),
        ({"input_format": "s16le"}, Options(audio=AudioInput(RawAudio("pcm_s16le", 16_000, 1)))),
        ({"input_format": "g711_ulaw"}, Options(audio=AudioInput(RawAudio("mulaw", 8_000, 1)))),
        (
            {"input_format": "pcm_f32le", "sample_rate": "44100", "input_channels": "2"},
            Options(audio=AudioInput(RawAudio("pcm_f32le", 44_100, 2))),
        ),
        ({"model": "", "language": "", "beam_size": ""}, Options()),
        ({"response_format": "srt", "max_line_width": "30", "max_line_count": "1"}, Options()),
        ({"response_format": "vtt", "highlight_words": "true"}, Options()),
        ({"channels": "split"}, Options(audio=AudioInput(channels="split"))),
        ({"channels": "mix"}, Options()),
    ],
)
def test_fields_reach_the_engine(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, fields: dict[str, Any], expected: Options
) -> None:
    assert post_transcribe(http, wav, **fields).status_code == 200
    assert engine.jobs[0].options == expected
    raw = http.post("/transcribe", content=wav, params=fields, headers={"Content-Type": "audio/wav"})
    assert raw.status_code == 200
    assert engine.jobs[1].options == expected
    assert engine.bytes == [wav, wav]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "x" * 257),
        ("language", "klingon"),
        ("languages", "klingon"),
        ("task", "summarize"),
        ("prompt", "x" * 20_000),
        ("hotwords", "x" * 20_000),
        ("temperature", "1.1"),
        ("temperature", "nan"),
        ("beam_size", "0"),
        ("beam_size", "many"),
        ("align", "perfect"),
        ("response_format", "verbose_json"),
        ("enable_diarization", "perhaps"),
        ("min_speakers", "0"),
        ("max_speakers", "-1"),
        ("audio_track", "x" * 65),
        ("input_format", "mp3"),
        ("sample_rate", "10"),
        ("sample_rate", "16000"),
        ("input_channels", "0"),
        ("input_channels", "2"),
        ("vad_filter", "2"),
        ("enable_vad", "2"),
        ("url", "http://localhost/a.wav"),
        ("max_line_width", "0"),
        ("max_line_width", "30"),  # with json
        ("max_line_count", "21"),
        ("highlight_words", "true"),
        ("channels", "both"),
        ("modle", "tiny"),
    ],
)
def test_wrong_field_is_named(http: httpx2.Client, engine: ScriptedEngine, wav: bytes, field: str, value: str) -> None:
    response = post_transcribe(http, wav, **{field: value})
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["param"], error["type"], error["code"]) == (field, "invalid_request_error", "invalid_value")
    assert error["message"].startswith(field)
    assert not engine.jobs


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"min_speakers": "3", "max_speakers": "2"}, "min_speakers"),
        ({"response_format": "srt", "align": "off", "highlight_words": "true"}, "highlight_words"),
        ({"language": "en", "languages": ["de", "nl"]}, "languages"),
        ({"vad_filter": "true", "enable_vad": "false"}, "enable_vad"),
        ({"input_format": "g722", "sample_rate": "8000"}, "sample_rate"),
        ({"input_format": "g722", "input_channels": "2"}, "input_channels"),
    ],
)
def test_fields_that_contradict_each_other(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, fields: dict[str, Any], param: str
) -> None:
    response = post_transcribe(http, wav, **fields)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_only_a_telling_extension_reaches_the_engine(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    for name in ("call.G722", "a.wav", "../../etc/x.al", "noext", "x.m3u8", "ü.ul"):
        assert http.post("/transcribe", files={"file": (name, wav)}).status_code == 200
    assert [job.options.audio.extension for job in engine.jobs] == ["g722", None, "al", None, None, "ul"]


def test_field_given_twice(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    response = http.post("/transcribe?language=en", files={"file": wav}, data={"language": "de"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "language")


def test_every_field_is_in_the_schema(http: httpx2.Client) -> None:
    post_route: dict[str, Any] = http.get("/openapi.json").json()["paths"]["/transcribe"]["post"]
    body = post_route["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(body["properties"]) == {"file", *TranscribeForm.properties()}
    assert {parameter["name"] for parameter in post_route["parameters"]} == set(TranscribeForm.properties())
    assert json.dumps(body).count("null") == 0


def test_missing_file(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    for response in (
        http.post("/transcribe"),
        http.post("/transcribe", files={"audio": ("a.wav", wav)}),
        http.post("/transcribe", files={"language": (None, "en")}),
    ):
        assert (response.status_code, response.json()["error"]["param"]) == (400, "file")
    assert not engine.jobs


def test_diarization_of_split_channels_is_refused_with_the_cure(http: httpx2.Client, wav: bytes) -> None:
    response = post_transcribe(http, wav, channels="split", enable_diarization="true")
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == "enable_diarization"
    assert "Leave enable_diarization or channels out" in error["message"]
