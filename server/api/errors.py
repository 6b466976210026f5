"""The one table from domain errors to HTTP, and the body that OpenAI's clients read: ``{"error": {...}}``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from typing_extensions import TypedDict

from server import errors

START_UP_SECONDS = 5  # what a client is told to wait for a server that is starting


class ErrorDetail(TypedDict):
    """``param`` names the field at fault, ``code`` is for programs, ``message`` for people."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(TypedDict):
    """The body of every answer that is not a success."""

    error: ErrorDetail


@dataclass(frozen=True, slots=True)
class Kind:
    """How one class of errors is answered; ``again`` says whether the same request may succeed later."""

    status: int
    type: str
    code: str
    again: bool = False


KINDS: dict[type[errors.WhisperXError], Kind] = {
    errors.InvalidInput: Kind(400, "invalid_request_error", "invalid_value"),
    errors.UnsupportedMedia: Kind(400, "invalid_request_error", "unsupported_media"),
    errors.TooLarge: Kind(413, "invalid_request_error", "request_too_large"),
    errors.ModelNotFound: Kind(404, "invalid_request_error", "model_not_found"),
    errors.ModelUnavailable: Kind(503, "server_error", "model_unavailable"),
    errors.HubUnreachable: Kind(503, "server_error", "model_unavailable", again=True),
    errors.Unauthorized: Kind(401, "authentication_error", "invalid_api_key"),
    errors.TooSlow: Kind(408, "invalid_request_error", "request_timeout", again=True),
    errors.KeyBusy: Kind(429, "rate_limit_error", "key_busy", again=True),
    errors.Overloaded: Kind(429, "rate_limit_error", "queue_full", again=True),
    errors.TooManyConnections: Kind(503, "server_error", "too_many_connections", again=True),
    errors.NotReady: Kind(503, "server_error", "not_ready", again=True),
    errors.StorageFull: Kind(507, "server_error", "storage_full"),
    errors.Cancelled: Kind(499, "server_error", "cancelled"),
    errors.TimedOut: Kind(504, "server_error", "timeout"),
    errors.EngineFailure: Kind(500, "server_error", "engine_failure"),
    errors.WhisperXError: Kind(500, "server_error", "internal_error"),
}
HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}


def kind_of(error: errors.WhisperXError) -> Kind:
    """The kind of the nearest class in the table."""
    return next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)


def error_body(error: errors.WhisperXError) -> ErrorBody:
    kind = kind_of(error)
    return {"error": {"message": str(error), "type": kind.type, "param": error.param, "code": kind.code}}


def error_response(error: errors.WhisperXError) -> JSONResponse:
    """The whole answer: OpenAI's clients obey x-should-retry, so a file that always fails is not run three times."""
    kind = kind_of(error)
    headers = {} if kind.again else {"x-should-retry": "false"}
    if isinstance(error, errors.Overloaded):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    elif isinstance(error, errors.NotReady):
        headers["retry-after"] = str(START_UP_SECONDS)
    elif isinstance(error, errors.Unauthorized):
        headers["www-authenticate"] = 'Bearer realm="whisperx-npu"'
    return JSONResponse(error_body(error), kind.status, headers)


def internal_error(request_id: str) -> errors.WhisperXError:
    """What the client hears of a fault in the server: nothing but where to look it up."""
    return errors.WhisperXError(f"Internal error; the server's log has it under request {request_id}.")


async def on_domain_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.WhisperXError)  # noqa: S101 - registered for this class only
    return error_response(error)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """404, 405 and 415 as the router raises them; 405 keeps its Allow header."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    kind = "server_error" if error.status_code >= 500 else "invalid_request_error"
    code = HTTP_CODES.get(error.status_code, "http_error")
    body: ErrorBody = {"error": {"message": str(error.detail), "type": kind, "param": None, "code": code}}
    return JSONResponse(body, error.status_code, {"x-should-retry": "false", **(error.headers or {})})


async def on_validation_error(_request: Request, error: Exception) -> Response:
    """OpenAI answers 400, not 422, and names the field."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return error_response(errors.InvalidInput(f"{name}: {first['msg']}.", param=name))
