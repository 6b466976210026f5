"""Transcripts as JSON and text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from whisperx.utils import LANGUAGES, TO_LANGUAGE_CODE

from server.engine.contract import Job
from server.formats import openai, render, srt, vtt
from server.languages import CODES, NAMES, language_code, language_name
from server.transcript import Options, Segment, Transcript


def segment(text: str, start: float, end: float, speaker: str | None = None) -> Segment:
    return Segment(0, start, end, text, (), -0.1, 1.0, 0.0, 0.0, 0, (), speaker)


def test_render() -> None:
    transcript = Transcript("Grüße.", (segment(" Grüße.", 0.0, 1.0),), "de", 0.9, 1.0, 0.5, "tiny")
    job = Job("7", Path(), Options())
    assert render(transcript, job, "text") == "Grüße.\n"
    assert render(replace(transcript, text=""), job, "text") == ""
    assert "Grüße" in render(transcript, job, "json")
    assert json.loads(render(transcript, job, "json"))["job_id"] == "7"
    assert render(transcript, job, "srt") == srt(transcript.segments)
    assert render(transcript, job, "vtt") == vtt(transcript.segments)


def test_speakers_are_letters_in_order_of_appearance() -> None:
    speakers = [f"SPEAKER_{i:02}" for i in (5, 2, 5, 1)] + [None] + [f"x{i}" for i in range(25)]
    labels = [s["speaker"] for s in openai.diarized_segments(segment("a", 0, 1, speaker=name) for name in speakers)]
    assert labels[:5] == ["A", "B", "A", "C", "unknown"]
    assert labels[-3:] == ["Z", "AA", "AB"]


def test_languages_are_those_of_whisper() -> None:
    assert NAMES == LANGUAGES
    assert TO_LANGUAGE_CODE.items() <= CODES.items()
    assert language_code(" EN ") == "en"
    assert language_code("Mandarin") == "zh"
    assert language_name("yue") == "cantonese"
    assert language_name("xx") == "xx"
    with pytest.raises(ValueError, match="ISO 639-1"):
        language_code("english-us")
