"""The fields of OpenAI's audio routes: each reaches the engine, is refused by name, or is ignored as unknown."""

from __future__ import annotations

import httpx2
import openai
import pytest

from server.api import create_app
from server.raw_formats import RawAudio
from server.settings.load import load_settings
from server.transcript import AudioInput, Options
from tests.api.live import serving
from tests.api.posting import post_openai
from tests.api.scripted import ScriptedEngine


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("model", "whisper-1")], Options(model="whisper-1", align="off")),
        (
            [("audio_track", "2"), ("input_format", "alaw"), ("input_channels", "2")],
            Options(align="off", audio=AudioInput(RawAudio("alaw", 8_000, 2), "2")),
        ),
        ([("language", "en")], Options(language="en", align="off")),
        ([("language", "english")], Options(language="en", align="off")),
        ([("languages[]", "de")], Options(language="de", align="off")),
        ([("languages", "de"), ("language", "de")], Options(language="de", align="off")),
        ([("languages[]", "de"), ("languages[]", "Dutch")], Options(languages=("de", "nl"), align="off")),
        ([("languages[]", "de"), ("languages[]", "german")], Options(language="de", align="off")),
        ([("languages[]", "de"), ("languages[]", "nl"), ("language", "nl")], Options(language="nl", align="off")),
        (
            [("languages[]", "de"), ("languages[]", "nl"), ("language", "auto")],
            Options(languages=("de", "nl"), align="off"),
        ),
        ([("prompt", "Hi."), ("keywords[]", "AIE2"), ("keywords[]", "Peano")], "AIE2, Peano"),
        ([("hotwords", "XRT"), ("keywords", "AIE2")], "XRT, AIE2"),
        ([("temperature", "0.5")], Options(temperature=0.5, align="off")),
        ([("temperature", "0")], Options(align="off")),
        ([("beam_size", "2"), ("vad", "false")], Options(beam_size=2, vad=False, align="off")),
        ([("align", "attention")], Options(align="attention")),
        ([("response_format", "srt")], Options()),
        ([("channels", "split")], Options(align="off", audio=AudioInput(channels="split"))),
        (
            [("channels", "split"), ("response_format", "diarized_json")],
            Options(audio=AudioInput(channels="split")),  # without a pipeline
        ),
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
    assert post_openai(http, wav, fields).status_code == 200
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
        ([("channels", "left")], "channels"),
        ([("timestamp_granularities[]", "sentence"), ("response_format", "verbose_json")], "timestamp_granularities"),
        ([("timestamp_granularities[]", "word")], "timestamp_granularities"),
        ([("include[]", "logprobs"), ("response_format", "verbose_json")], "include"),
        ([("include[]", "attention")], "include"),
        ([("temperature", "2")], "temperature"),
        ([("temperature", "-0.1")], "temperature"),
        ([("temperature", "warm")], "temperature"),
        ([("language", "xx")], "language"),
        ([("languages[]", "en"), ("languages[]", "xx")], "languages"),
        ([("languages[]", "auto")], "languages"),
        ([("languages[]", "en"), ("languages[]", "de"), ("language", "nl")], "languages"),
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
    response = post_openai(http, wav, fields)
    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert not engine.jobs


def test_long_reference_recordings_get_the_same_clear_refusal(http: httpx2.Client, wav: bytes) -> None:
    reference = "data:audio/wav;base64," + "A" * 3_000_000
    response = post_openai(http, wav, [("known_speaker_references[]", reference)])
    assert (response.status_code, response.json()["error"]["param"]) == (400, "known_speaker_references")


def test_word_times_come_although_alignment_is_configured_off(uploads: object, wav: bytes) -> None:
    engine = ScriptedEngine()
    app = create_app(load_settings(align={"method": "off"}), engine)
    with serving(app) as url, httpx2.Client(base_url=url) as http:
        fields = [("response_format", "verbose_json")]
        assert post_openai(http, wav, [*fields, ("timestamp_granularities[]", "word")]).status_code == 200
        assert post_openai(http, wav, fields).status_code == 200
        for route in ("transcriptions", "translations"):
            highlighted = [("response_format", "srt"), ("highlight_words", "true"), ("max_line_width", "12")]
            answer = http.post(f"/v1/audio/{route}", files={"file": wav}, data=dict(highlighted))
            assert "The <u>quick</u>\nfox.\n" in answer.text
    assert [job.options.align for job in engine.jobs] == ["auto", None, "auto", "auto"]


def test_diarized_json_without_diarization(uploads: object, wav: bytes) -> None:
    with serving(create_app(load_settings(), ScriptedEngine())) as url, httpx2.Client(base_url=url) as http:
        response = post_openai(http, wav, [("response_format", "diarized_json")])
        assert (response.status_code, response.json()["error"]["param"]) == (400, "response_format")
        assert "diarize.model" in response.json()["error"]["message"]
        response = http.post("/transcribe", files={"file": wav}, data={"enable_diarization": "true"})
        assert (response.status_code, response.json()["error"]["param"]) == (400, "enable_diarization")
