"""Requests to the transcribing routes, and strict reading of their answers."""

from __future__ import annotations

from typing import Any

import httpx2
from pydantic import BaseModel

TRANSCRIPTIONS = "/v1/audio/transcriptions"


def post_transcribe(http: httpx2.Client, wav: bytes, **fields: str | list[str]) -> httpx2.Response:
    """Send a recording and form fields to POST /transcribe, and return the response."""
    return http.post("/transcribe", files={"file": ("a.wav", wav)}, data=fields)


def post_openai(
    http: httpx2.Client, wav: bytes, fields: list[tuple[str, str]], route: str = TRANSCRIPTIONS
) -> httpx2.Response:
    """Send a recording and form fields, in this order, to one of OpenAI's routes, and return the response."""
    parts: list[tuple[str, Any]] = [(name, (None, value)) for name, value in fields]
    return http.post(route, files=[*parts, ("file", ("a.wav", wav))])


def strict(kind: type[BaseModel], body: bytes) -> Any:
    """Validate a body strictly: OpenAI's client accepts missing fields, its types do not."""
    return kind.model_validate_json(body, strict=True)
