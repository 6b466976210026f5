"""Headers of an answer that carry facts for which OpenAI's JSON and the text formats have no field."""

from __future__ import annotations

from urllib.parse import quote

from server.formats import DEMO_NOTICE
from server.transcript import Transcript

WARNING = "X-WhisperX-NPU-Warning"


def header_text(text: str) -> str:
    """Return a text on one line, in the characters that a header can carry."""
    return " ".join(text.split()).encode("latin-1", "replace").decode("latin-1")


def model_headers(model: str, *, demo: bool) -> dict[str, str]:
    """Return the headers that name the model, with a notice if it is the demonstration model."""
    headers = {"X-Model": quote(model, safe="/:.-_+@ ")}
    return headers | {"X-WhisperX-NPU-Notice": DEMO_NOTICE} if demo else headers


def answer_headers(transcript: Transcript, upload_seconds: float) -> dict[str, str]:
    """Return the response headers of a transcript: its model, its warnings, and its times in ``Server-Timing``.

    The times are those of the upload, of the wait in the queue, and of each stage with its device.
    """
    headers = model_headers(transcript.model, demo=transcript.demo)
    waits = [f"upload;dur={upload_seconds * 1000:.1f}", f"queue;dur={transcript.queue_seconds * 1000:.1f}"]
    stages = [f'{stage.stage};dur={stage.ms:.1f};desc="{stage.device}"' for stage in transcript.stages]
    headers["Server-Timing"] = ", ".join(waits + stages)  # https://www.w3.org/TR/server-timing/
    if transcript.warnings:
        headers[WARNING] = header_text(" ".join(transcript.warnings))
    return {name: header_text(value) for name, value in headers.items()}
