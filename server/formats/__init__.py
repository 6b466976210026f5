"""How a transcript is written: this server's JSON, OpenAI's JSON shapes, plain text and subtitles.

The HTTP routes and the command line both write through here, so that they cannot differ.
"""

from server.formats.answer import DEMO_NOTICE, Answer, answer, notice
from server.formats.render import AnswerFormat, render
from server.formats.subtitles import srt, vtt

__all__ = ["DEMO_NOTICE", "Answer", "AnswerFormat", "answer", "notice", "render", "srt", "vtt"]
