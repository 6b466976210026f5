"""Transcripts as JSON, text and subtitles."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from whisperx.utils import LANGUAGES, TO_LANGUAGE_CODE

from server.engine.contract import Job
from server.formats import openai, render, srt, vtt
from server.formats.subtitles import CUE_LINES, CUE_MS, LINE_CHARACTERS, cues
from server.languages import CODES, NAMES, language_code, language_name
from server.transcript import Options, Segment, Transcript, Word

SRT_BLOCK = re.compile(
    r"(?P<number>\d+)\n"
    r"(?P<start>\d\d:[0-5]\d:[0-5]\d,\d{3}) --> (?P<end>\d\d:[0-5]\d:[0-5]\d,\d{3})\n"
    r"(?P<text>(?:.+\n)+)"
)
VTT_BLOCK = re.compile(r"\d\d:[0-5]\d:[0-5]\d\.\d{3} --> \d\d:[0-5]\d:[0-5]\d\.\d{3}\n(?:.+\n)+")


def segment(text: str, start: float, end: float, words: tuple[Word, ...] = (), speaker: str | None = None) -> Segment:
    return Segment(0, start, end, text, (), -0.1, 1.0, 0.0, 0.0, 0, words, speaker)


def spoken(text: str, start: float, seconds_per_word: float = 0.4) -> Segment:
    """Return a segment whose words follow one another without a pause."""
    words = tuple(
        Word(word, start + i * seconds_per_word, start + (i + 1) * seconds_per_word)
        for i, word in enumerate(text.split())
    )
    return segment(text, start, words[-1].end, words)


def test_srt() -> None:
    segments = (segment(" Hello there.", 0.0, 1.5), segment(" Bye.", 3661.0, 3662.25, speaker="SPEAKER_00"))
    assert srt(segments) == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n01:01:01,000 --> 01:01:02,250\n[SPEAKER_00]: Bye.\n"
    )


def test_vtt_escapes_text_and_names_voices() -> None:
    segments = (segment("1 < 2 & a --> b", 0.0, 1.0), segment(" Bye.", 1.0, 2.0, speaker="A<B"))
    assert vtt(segments) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n1 &lt; 2 &amp; a --&gt; b\n\n"
        "00:00:01.000 --> 00:00:02.000\n<v A&lt;B>Bye.\n"
    )


def test_silence_is_valid() -> None:
    assert (srt(()), vtt(())) == ("", "WEBVTT\n\n")
    assert srt((segment("  ", 0.0, 1.0),)) == ""


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.9999, "00:00:01,000"), (59.9996, "00:01:00,000"), (3599.9995, "01:00:00,000"), (360000.0, "100:00:00,000")],
)
def test_milliseconds_never_show_1000(seconds: float, shown: str) -> None:
    assert f"--> {shown}\n" in srt((segment("x", 0.0, seconds),))


def test_long_segment_is_cut_between_words_into_readable_cues() -> None:
    text = " " + " ".join(f"word{i}" for i in range(60))
    shown = list(cues((spoken(text, 10.0),)))
    assert len(shown) > 3
    assert "".join(cue.text for cue in shown) == text
    for cue in shown:
        assert cue.end - cue.start <= CUE_MS
    for block in SRT_BLOCK.finditer(srt((spoken(text, 10.0),))):
        lines = block["text"].splitlines()
        assert len(lines) <= CUE_LINES
        assert all(len(line) <= LINE_CHARACTERS for line in lines)
        assert not any(line.startswith(" ") for line in lines)


def test_parts_of_a_long_segment_are_about_equal() -> None:
    text = " " + " ".join(["word"] * 18) + "."
    shown = list(cues((spoken(text, 0.0, 0.3),)))
    assert [len(cue.text.strip()) for cue in shown] == [44, 45]


def test_slow_speech_is_cut_by_time() -> None:
    shown = list(cues((spoken("one two three four", 0.0, 3.0),)))
    assert [(cue.start, cue.end, cue.text) for cue in shown] == [(0, 6000, "one two "), (6000, 12000, "three four")]


def test_text_without_spaces_gets_none() -> None:
    text = "今日はとても良い天気です" * 10
    words = tuple(Word(char, i * 0.1, i * 0.1 + 0.1) for i, char in enumerate(text))
    shown = list(cues((segment(text, 0.0, 12.0, words),)))
    assert "".join(cue.text for cue in shown) == text
    assert len(shown) > 1


def test_words_that_are_not_in_the_text_lose_nothing() -> None:
    words = (Word("nine", 0.0, 0.5), Word("b", 0.5, 1.0))
    assert [cue.text for cue in cues((segment("9 b c", 0.0, 1.0, words),))] == ["9 b c"]


def test_segment_without_words_keeps_its_times() -> None:
    (cue,) = cues((segment("many words " * 20, 1.0, 20.0),))
    assert (cue.start, cue.end) == (1000, 20000)


SEGMENTS = st.lists(
    st.builds(
        lambda text, start, length, words: (
            spoken(text, start) if words and text.split() else segment(text, start, start + length)
        ),
        st.text(max_size=200),
        st.floats(0, 10_000),
        st.floats(-1, 60),
        st.booleans(),
    ),
    max_size=6,
)


@given(SEGMENTS)
def test_subtitles_of_anything_are_well_formed(segments: list[Segment]) -> None:
    text = srt(segments)
    blocks = list(SRT_BLOCK.finditer(text))
    assert "\n".join(block[0] for block in blocks) == text
    assert [int(block["number"]) for block in blocks] == list(range(1, len(blocks) + 1))
    times = [(block["start"], block["end"]) for block in blocks]
    assert all(start < end for start, end in times)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(times))
    header, *cue_blocks = vtt(segments).split("\n\n")
    assert header == "WEBVTT"
    assert all(VTT_BLOCK.fullmatch(block.rstrip("\n") + "\n") for block in cue_blocks if block)
    assert vtt(segments).count("-->") == len(blocks)


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
