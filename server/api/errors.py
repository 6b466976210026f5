"""The table from domain errors to HTTP statuses, and the body that OpenAI's clients read: ``{"error": {...}}``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from typing_extensions import TypedDict

from server import errors

START_UP_SECONDS = 5  # the Retry-After of a server that is starting or stopping


class ErrorDetail(TypedDict):
    """OpenAI's error object: ``message`` is for people, ``code`` for programs, ``param`` names the field at fault."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(TypedDict):
    """The JSON body of every error answer."""

    error: ErrorDetail


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """The answer to one class of errors: HTTP status, and OpenAI's ``type`` and ``code``.

    ``retryable`` says that the same request may succeed later.
    """

    status: int
    type: str
    code: str
    retryable: bool = False


ERROR_KINDS: dict[type[errors.WhisperXError], ErrorKind] = {
    errors.InvalidInput: ErrorKind(400, "invalid_request_error", "invalid_value"),
    errors.UnsupportedMedia: ErrorKind(400, "invalid_request_error", "unsupported_media"),
    errors.TooLarge: ErrorKind(413, "invalid_request_error", "request_too_large"),
    errors.ModelNotFound: ErrorKind(404, "invalid_request_error", "model_not_found"),
    errors.ModelUnavailable: ErrorKind(503, "server_error", "model_unavailable"),
    errors.HubUnreachable: ErrorKind(503, "server_error", "model_unavailable", retryable=True),
    errors.Unauthorized: ErrorKind(401, "authentication_error", "invalid_api_key"),
    errors.TooSlow: ErrorKind(408, "invalid_request_error", "request_timeout", retryable=True),
    errors.KeyBusy: ErrorKind(429, "rate_limit_error", "key_busy", retryable=True),
    errors.Overloaded: ErrorKind(429, "rate_limit_error", "queue_full", retryable=True),
    errors.TooManyConnections: ErrorKind(503, "server_error", "too_many_connections", retryable=True),
    errors.NotReady: ErrorKind(503, "server_error", "not_ready", retryable=True),
    errors.StorageFull: ErrorKind(507, "server_error", "storage_full"),
    errors.Cancelled: ErrorKind(499, "server_error", "cancelled"),
    errors.TimedOut: ErrorKind(504, "server_error", "timeout"),
    errors.EngineFailure: ErrorKind(500, "server_error", "engine_failure"),
    errors.WhisperXError: ErrorKind(500, "server_error", "internal_error"),
}
HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}


def kind_of(error: errors.WhisperXError) -> ErrorKind:
    """Return the HTTP status and OpenAI codes of an error, by its class or its nearest base class in ERROR_KINDS."""
    return next(ERROR_KINDS[cls] for cls in type(error).__mro__ if cls in ERROR_KINDS)


def error_body(error: errors.WhisperXError) -> ErrorBody:
    """Return the JSON body for an error."""
    kind = kind_of(error)
    return {"error": {"message": str(error), "type": kind.type, "param": error.param, "code": kind.code}}


def error_response(error: errors.WhisperXError) -> JSONResponse:
    """Return the answer to an error, with its headers.

    OpenAI's clients obey ``x-should-retry``, so a request that would fail again is not sent three times.
    """
    kind = kind_of(error)
    headers = {} if kind.retryable else {"x-should-retry": "false"}
    if isinstance(error, errors.Overloaded):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    elif isinstance(error, errors.NotReady):
        headers["retry-after"] = str(START_UP_SECONDS)
    elif isinstance(error, errors.Unauthorized):
        headers["www-authenticate"] = 'Bearer realm="whisperx-npu"'
    return JSONResponse(error_body(error), kind.status, headers)


def internal_error(request_id: str) -> errors.WhisperXError:
    """Return the error for the client if the server has a bug: only a pointer to the log, no detail."""
    return errors.WhisperXError(f"Internal error; the server's log has it under request {request_id}.")


async def on_domain_error(_request: Request, error: Exception) -> Response:
    """Exception handler for FastAPI: answer a WhisperXError with the status and the JSON body of its class."""
    assert isinstance(error, errors.WhisperXError)  # noqa: S101 - registered for this class only
    return error_response(error)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Exception handler for FastAPI: answer 404, 405 and 415 of the router with OpenAI's error body.

    A 405 keeps its header ``Allow``.
    """
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    kind = "server_error" if error.status_code >= 500 else "invalid_request_error"
    code = HTTP_CODES.get(error.status_code, "http_error")
    body: ErrorBody = {"error": {"message": str(error.detail), "type": kind, "param": None, "code": code}}
    return JSONResponse(body, error.status_code, {"x-should-retry": "false", **(error.headers or {})})


async def on_validation_error(_request: Request, error: Exception) -> Response:
    """Exception handler for FastAPI's validation errors: answer 400 and the field's name, as OpenAI does, not 422."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    first = error.errors()[0]
    name = str(first["loc"][-1])
    return error_response(errors.InvalidInput(f"{name}: {first['msg']}.", param=name))
