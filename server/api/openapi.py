"""OpenAPI descriptions that FastAPI cannot derive from signatures: bodies read by hand, answers of several types."""

from __future__ import annotations

from typing import Any

from server.api.errors import ErrorBody
from server.api.input.form import Form

REASONS = {
    400: "A field is wrong (`param` names it), or the file holds no audio.",
    401: "The request has no API key, or an unknown one.",
    404: "The model or the request is not known to this server.",
    408: "The body arrived too slowly.",
    413: "The body or the recording is too large.",
    415: "The body is not multipart/form-data.",
    429: "The queue is full; `Retry-After` is the time in seconds after which to try again.",
    500: "The computation failed.",
    503: "The server is starting or stopping, or the model cannot be loaded.",
    504: "The answer was not ready within `engine.timeout_seconds`.",
}
TEXT_TYPES = {"text": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}
EVENT_STREAM = "text/event-stream"

# FastAPI documents a 422 for every path with a parameter, unless the route documents 4XX as a whole.
NO_422: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorBody, "description": "The request is wrong."}}


def media_type(response_format: str) -> str:
    """Return the media type of an answer whose ``response_format`` is "json", "text", "srt" and so on."""
    return TEXT_TYPES.get(response_format, "application/json")


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI ``responses`` of a route that may answer errors with these statuses."""
    return {status: {"model": ErrorBody, "description": REASONS[status]} for status in statuses}


def success(model: Any, description: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI ``responses`` of a route that answers 200 with JSON of the type ``model``."""
    return {200: {"model": model, "description": description}}


def transcribed(model: Any, *media_types: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI ``responses`` of a route that answers 200 with a transcript.

    The transcript is JSON of the type ``model``, or a string of one of the ``media_types``.
    """
    string = {"type": "string"}
    event = {"type": "object", "properties": {"data": string}}
    texts = {kind: {"schema": event if kind == EVENT_STREAM else string} for kind in media_types}
    content = {"application/json": {}, **texts}  # first, so that the page shows it first
    headers = {
        "X-Request-Id": {"description": "The id of this request in the log and at /v1/requests.", "schema": string},
        "X-Model": {"description": "The model that ran.", "schema": string},
        "X-WhisperX-NPU-Notice": {"description": "Present if the demonstration model ran.", "schema": string},
        "X-WhisperX-NPU-Warning": {
            "description": "Parts of the request that were not done as asked, and why.",
            "schema": string,
        },
        "Server-Timing": {
            "description": "Milliseconds of the upload, the queue and each stage, and the device that ran it.",
            "schema": string,
        },
    }
    return {200: {"model": model, "description": "The text.", "content": content, "headers": headers}}


def form_body(form: type[Form], example: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI description of a multipart request body with a file and the fields of ``form``."""
    file = {"type": "string", "format": "binary", "description": "The recording, in any container and codec."}
    schema = {"type": "object", "required": ["file"], "properties": {"file": file, **form.properties()}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": _entry(schema, example)}}}


def form_or_raw_body(form: type[Form], example: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI description of a request body that is multipart, or the bytes of a recording.

    The fields of ``form`` are parts of a multipart body, and parameters of the query string in both cases.
    """
    extra = form_body(form, example)
    extra["requestBody"]["content"]["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    extra["parameters"] = [
        {"name": name, "in": "query", "required": False, "schema": _entry_schema(schema)}
        | ({"description": schema["description"]} if "description" in schema else {})
        for name, schema in form.properties().items()
    ]
    return extra


def _entry(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    return {"schema": schema, "example": example}


def _entry_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "description"}
