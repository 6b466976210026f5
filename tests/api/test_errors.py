"""Every error answer has OpenAI's body, from which OpenAI's client makes the right exception."""

from __future__ import annotations

import logging
from typing import Any

import httpx2
import openai
import pytest

from server import errors
from server.api.errors import ERROR_KINDS, kind_of
from tests.api.scripted import ScriptedEngine, Step

FAILURES: list[tuple[errors.WhisperXError, int, str, type[openai.APIStatusError]]] = [
    (errors.InvalidInput("No.", param="language"), 400, "invalid_value", openai.BadRequestError),
    (errors.UnsupportedMedia("No audio.", param="file"), 400, "unsupported_media", openai.BadRequestError),
    (errors.TooLarge("Too long.", param="file"), 413, "request_too_large", openai.APIStatusError),
    (errors.ModelNotFound("Unknown.", param="model"), 404, "model_not_found", openai.NotFoundError),
    (errors.ModelUnavailable("Gone.", param="model"), 503, "model_unavailable", openai.InternalServerError),
    (errors.Overloaded("Full.", retry_after=200.2), 429, "queue_full", openai.RateLimitError),
    (errors.TimedOut("Late."), 504, "timeout", openai.InternalServerError),
    (errors.NotReady("Starting."), 503, "not_ready", openai.InternalServerError),
    (errors.Cancelled("Late."), 499, "cancelled", openai.APIStatusError),
    (errors.EngineFailure("Broken."), 500, "engine_failure", openai.InternalServerError),
    (errors.ConfigurationError("Wrong."), 500, "internal_error", openai.InternalServerError),
]


@pytest.mark.parametrize(("error", "status", "code", "exception"), FAILURES, ids=lambda value: type(value).__name__)
def test_domain_errors(
    client: openai.OpenAI,
    engine: ScriptedEngine,
    wav: bytes,
    error: errors.WhisperXError,
    status: int,
    code: str,
    exception: type[openai.APIStatusError],
) -> None:
    engine.steps = [error]
    with pytest.raises(exception) as caught:
        client.with_options(max_retries=0).audio.transcriptions.create(model="whisper-1", file=wav)
    assert caught.value.status_code == status
    assert (caught.value.code, caught.value.param) == (code, error.param)
    assert caught.value.response.json() == {
        "error": {"message": error.message, "type": caught.value.type, "param": error.param, "code": code}
    }


@pytest.mark.parametrize("route", ["/transcribe", "/v1/audio/transcriptions", "/v1/audio/translations"])
@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt"])
@pytest.mark.parametrize("steps", [[errors.EngineFailure("Broken.")], [RuntimeError("bug")], []])
def test_a_failure_is_never_an_empty_success(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, route: str, form: str, steps: list[Step]
) -> None:
    engine.steps = steps
    response = http.post(route, files={"file": wav}, data={"response_format": form})
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["message"]


def test_the_table_covers_every_domain_error() -> None:
    def below(kind: type[errors.WhisperXError]) -> set[type[errors.WhisperXError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    general = {errors.WhisperXError, errors.ConfigurationError}
    assert {kind for kind in below(errors.WhisperXError) if kind.__module__ == errors.__name__} - general <= set(
        ERROR_KINDS
    )


def test_a_subclass_is_answered_as_its_nearest_class() -> None:
    class Stale(errors.ModelNotFound):
        """An error class without an entry in the table ERROR_KINDS."""

    assert kind_of(Stale("x")).code == "model_not_found"


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (errors.EngineFailure("Broken."), 1),
        (errors.ModelUnavailable("Gone."), 1),
        (RuntimeError("bug"), 1),
        (errors.InvalidInput("No."), 1),
        (errors.Overloaded("Full.", retry_after=0.2), 2),
    ],
)
def test_what_fails_again_is_not_tried_again(
    client: openai.OpenAI, engine: ScriptedEngine, wav: bytes, error: Exception, tries: int
) -> None:
    engine.steps = [error]
    with pytest.raises(openai.APIStatusError):
        client.with_options(max_retries=1).audio.transcriptions.create(model="whisper-1", file=wav)
    assert len(engine.jobs) == tries


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [(errors.Overloaded("Full.", retry_after=200.2), "201"), (errors.NotReady("Starting."), "5")],
)
def test_retry_after(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, error: Exception, retry_after: str
) -> None:
    engine.steps = [error]
    response = http.post("/transcribe", files={"file": wav})
    assert response.headers["retry-after"] == retry_after
    assert "x-should-retry" not in response.headers


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/audio/transcriptions/", 404, "not_found"),
        ("GET", "/transcribe", 405, "method_not_allowed"),
        ("PUT", "/v1/audio/transcriptions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models/whisper-1", 405, "method_not_allowed"),
        ("GET", "/v1/models/no/such/model", 404, "model_not_found"),
    ],
)
def test_router_errors(http: httpx2.Client, method: str, path: str, status: int, code: str) -> None:
    response = http.request(method, path)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"]
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("content_type", ["application/json", "audio/wav", "application/x-www-form-urlencoded"])
def test_openai_routes_want_multipart(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, content_type: str
) -> None:
    response = http.post("/v1/audio/transcriptions", content=wav, headers={"Content-Type": content_type})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert not engine.jobs


@pytest.mark.parametrize("route", ["/transcribe", "/v1/audio/transcriptions", "/v1/audio/translations"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x--\r\n"),
        ("multipart/form-data; boundary=x", b"this is no multipart body"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ncut of'),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
        ("multipart/form-data; boundary=" + "x" * 300, b"--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            (
                b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na\r\n'
                b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nb\r\n--x--\r\n'
            ),
        ),
    ],
)
def test_broken_bodies(http: httpx2.Client, engine: ScriptedEngine, route: str, content_type: str, body: bytes) -> None:
    response = http.post(route, content=body, headers={"Content-Type": content_type})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "file")
    assert not engine.jobs


def test_field_that_is_no_text(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    files: list[tuple[str, Any]] = [("prompt", (None, b"\xff\xfe")), ("file", ("a.wav", wav))]
    response = http.post("/transcribe", files=files)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "prompt")


def test_too_many_fields(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    files: list[tuple[str, Any]] = [(f"f{i}", (None, "x")) for i in range(300)]
    response = http.post("/v1/audio/transcriptions", files=[*files, ("file", wav)])
    assert response.status_code == 400


def test_bug_shows_in_the_log_and_not_to_the_client(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    engine.steps = [RuntimeError("a secret detail")]
    with caplog.at_level(logging.ERROR):
        response = http.post("/transcribe", files={"file": wav}, headers={"X-Request-Id": "trace-me"})
    assert response.status_code == 500
    assert response.headers["x-request-id"] == "trace-me"
    error = response.json()["error"]
    assert (error["type"], error["code"], error["param"]) == ("server_error", "internal_error", None)
    assert "trace-me" in error["message"]
    assert "secret" not in response.text
    record = next(record for record in caplog.records if record.exc_info)
    assert "trace-me" in record.getMessage()
    assert "a secret detail" in str(record.exc_info)
