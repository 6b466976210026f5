"""One transcript, one of this server's formats, as a string."""

from __future__ import annotations

import json
from typing import Literal, assert_never

from server.engine.contract import Job
from server.formats.answer import answer
from server.formats.subtitles import srt, vtt
from server.transcript import Transcript

AnswerFormat = Literal["json", "text", "srt", "vtt"]


def render(transcript: Transcript, job: Job, answer_format: AnswerFormat) -> str:
    """Write the transcript; everything but JSON ends with a newline, unless there is nothing to say."""
    match answer_format:
        case "json":
            return json.dumps(answer(transcript, job), ensure_ascii=False, allow_nan=False)
        case "text":
            return plain_text(transcript)
        case "srt":
            return srt(transcript.segments)
        case "vtt":
            return vtt(transcript.segments)
    assert_never(answer_format)


def plain_text(transcript: Transcript) -> str:
    """The bare text; empty for silence."""
    return f"{transcript.text}\n" if transcript.text else ""
