"""Render a transcript as a string in one of this server's formats."""

from __future__ import annotations

import json
from typing import Literal, assert_never

from server.engine.contract import Job
from server.formats.answer import answer
from server.formats.cues import SubtitleLayout
from server.formats.subtitles import DEFAULT_LAYOUT, srt, vtt
from server.transcript import Transcript

AnswerFormat = Literal["json", "text", "srt", "vtt"]


def render(
    transcript: Transcript, job: Job, answer_format: AnswerFormat, layout: SubtitleLayout = DEFAULT_LAYOUT
) -> str:
    """Return the transcript in the format; all formats but JSON end with a newline, except for silence.

    ``layout`` is that of subtitles.

    render(transcript, job, "text")    # "The quick fox.\\n"
    """
    match answer_format:
        case "json":
            return json.dumps(answer(transcript, job), ensure_ascii=False, allow_nan=False)
        case "text":
            return plain_text(transcript)
        case "srt":
            return srt(transcript.segments, layout)
        case "vtt":
            return vtt(transcript.segments, layout)
    assert_never(answer_format)


def plain_text(transcript: Transcript) -> str:
    """Return the text and a newline; the empty string for silence."""
    return f"{transcript.text}\n" if transcript.text else ""
