"""The formats of a transcript: this server's JSON, OpenAI's JSON shapes, plain text and subtitles.

The HTTP routes and the command line both write through this package, so that their output cannot differ. Public are the
names below, ``openai`` (OpenAI's JSON shapes) and ``rounding``.

    render(transcript, job, "srt")    # "1\\n00:00:00,100 --> 00:00:01,000\\nThe quick fox.\\n"
"""

from server.formats.answer import DEMO_NOTICE, Answer, answer, notice
from server.formats.cues import SubtitleLayout
from server.formats.render import AnswerFormat, render
from server.formats.subtitles import srt, vtt

__all__ = ["DEMO_NOTICE", "Answer", "AnswerFormat", "SubtitleLayout", "answer", "notice", "render", "srt", "vtt"]
