"""GET /v1/requests: progress while a request runs and after; and answers whose head comes before their body."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import TypeAdapter

from server.api.in_flight import KEPT, InFlightRequests
from server.api.routes.requests import RequestStatus
from server.errors import EngineFailure, ModelUnavailable, Overloaded
from server.transcript import Finished, Progress
from tests.api.live import connected, emptied, waited
from tests.api.scripted import TRANSCRIPT, Hang, ScriptedEngine

ROUTES = ["/transcribe", "/v1/audio/transcriptions", "/v1/audio/translations"]
QUEUED = Progress(0.0, None, "queue")


def state(http: httpx2.Client, name: str) -> dict[str, Any]:
    response = http.get(f"/v1/requests/{name}")
    assert response.status_code == 200
    TypeAdapter(RequestStatus).validate_json(response.content, strict=True)
    found: dict[str, Any] = response.json()
    return found


@contextmanager
def under_way(url: str, engine: ScriptedEngine, name: str) -> Iterator[None]:
    """Context manager: inside the block, a request with the id ``name`` runs on the server and does not end."""
    head = f"X-Request-Id: {name}\r\nContent-Type: audio/wav\r\nContent-Length: 4"
    with connected(url, "/transcribe", head) as sock:
        sock.sendall(b"RIFF")
        assert engine.hanging.wait(10)
        yield


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (QUEUED, ("queued", "queue", 0.0, None)),
        (Progress(30.0, 3600.0, "decoder"), ("running", "decoder", 30.0, 3600.0)),
        (Progress(3600.0, 3600.0, "diarize"), ("running", "diarize", 3600.0, 3600.0)),
    ],
)
def test_while_it_runs(
    url: str, http: httpx2.Client, engine: ScriptedEngine, step: Progress, expected: tuple[object, ...]
) -> None:
    engine.steps = [QUEUED, step, Hang()]
    with under_way(url, engine, "talk"):
        found = state(http, "talk")
        keys = ("state", "stage", "audio_seconds_done", "audio_seconds_total")
        assert tuple(found[key] for key in keys) == expected
        assert (found["request_id"], found["id"]) == ("talk", engine.jobs[0].id)
        assert state(http, found["id"])["id"] == found["id"]
    assert waited(lambda: state(http, "talk")["state"] == "cancelled")


def test_while_it_arrives(url: str, http: httpx2.Client) -> None:
    with connected(url, "/transcribe", "X-Request-Id: slow\r\nContent-Type: audio/wav\r\nContent-Length: 1000") as sock:
        sock.sendall(b"RIFF")
        assert waited(lambda: http.get("/v1/requests/slow").status_code == 200)
        found = state(http, "slow")
        assert (found["state"], found["stage"]) == ("receiving", "upload")
    assert waited(lambda: state(http, "slow")["state"] == "cancelled")


@pytest.mark.parametrize("stream", ["false", "true"])
@pytest.mark.parametrize("route", ROUTES[:2])
def test_when_it_is_done(http: httpx2.Client, engine: ScriptedEngine, wav: bytes, route: str, stream: str) -> None:
    response = http.post(route, files={"file": wav}, data={"stream": stream})
    found = state(http, response.headers["x-request-id"])
    assert (found["state"], found["stage"], found["error"]) == ("done", None, None)
    assert found["audio_seconds_done"] == found["audio_seconds_total"] == TRANSCRIPT.duration


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineFailure("It broke."), "engine_failure"),
        (Overloaded("Full.", retry_after=1), "queue_full"),
        (RuntimeError("a secret"), "internal_error"),
    ],
)
def test_when_it_fails(http: httpx2.Client, engine: ScriptedEngine, wav: bytes, error: Exception, code: str) -> None:
    for stream in ("false", "true"):
        engine.steps = [QUEUED, error]
        response = http.post("/transcribe", files={"file": wav}, data={"stream": stream})
        found = state(http, response.headers["x-request-id"])
        assert (found["state"], found["error"]["code"]) == ("failed", code)
        assert "secret" not in str(found)


def test_when_the_request_was_wrong(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    response = http.post("/transcribe", files={"file": wav}, data={"language": "martian"})
    assert state(http, response.headers["x-request-id"])["error"]["param"] == "language"


@pytest.mark.parametrize("name", ["unknown", "a%2Fb", "%2F", "x" * 500])
def test_unknown(http: httpx2.Client, name: str) -> None:
    response = http.get(f"/v1/requests/{name}")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


def test_an_id_used_again_means_the_newer_request(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    jobs = [
        http.post("/transcribe", files={"file": wav}, headers={"X-Request-Id": "again"}).json()["job_id"]
        for _ in range(2)
    ]
    assert state(http, "again")["id"] == jobs[1]
    assert state(http, jobs[0])["id"] == jobs[0]


async def test_memory_is_bounded() -> None:
    requests = InFlightRequests()
    with requests.tracked("first", "first", None):
        for i in range(KEPT + 10):
            with requests.tracked(f"job{i}", f"mine{i}", None):
                pass
        assert requests.find("first", None), "one that is under way is never forgotten"
    assert requests.find("job0", None) is requests.find("mine0", None) is None
    assert requests.find(f"mine{KEPT}", None) is requests.find(f"job{KEPT}", None) is not None
    assert len(requests._found) == 2 * KEPT


def test_as_events(url: str, http: httpx2.Client, engine: ScriptedEngine) -> None:
    engine.steps = [QUEUED, Progress(30.0, 60.0, "decoder"), Hang()]
    with ThreadPoolExecutor() as threads:
        with under_way(url, engine, "watched"):
            lines: list[dict[str, Any]] = []
            done = threads.submit(_watch, url, "watched", lines)
            assert waited(lambda: bool(lines))
            assert (lines[0]["state"], lines[0]["audio_seconds_done"]) == ("running", 30.0)
        done.result(10)
    assert lines[-1]["state"] == "cancelled"


def _watch(url: str, name: str, lines: list[dict[str, Any]]) -> None:
    headers = {"Accept": "text/event-stream"}
    with httpx2.stream("GET", f"{url}/v1/requests/{name}", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines.extend(json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line)


@pytest.mark.parametrize("route", ROUTES)
def test_head_before_the_body(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, uploads: Path, route: str
) -> None:
    engine.steps = [QUEUED, Progress(1.0, 2.0, "decoder"), Hang()]
    asked = {"Prefer": "respond-async, Headers-First; x=1"}
    with http.stream("POST", route, files={"file": wav}, headers=asked) as response:
        assert (response.status_code, response.headers["preference-applied"]) == (200, "headers-first")
        assert response.headers["content-type"] == "application/json"
        link = re.fullmatch(r'</v1/requests/(\w+)>; rel="status"', response.headers["link"])
        assert link
        assert link[1] == response.headers["x-request-id"] == engine.jobs[0].id
        assert engine.hanging.wait(10)
        assert state(http, link[1])["audio_seconds_done"] == 1.0
    assert engine.closed.wait(10), "the engine went on for a client that had left"
    assert emptied(uploads)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("form", ["json", "srt"])
def test_body_after_the_head_is_the_same(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, route: str, form: str
) -> None:
    engine.steps = [QUEUED, Finished(TRANSCRIPT)]
    answers = [
        http.post(route, files={"file": wav}, data={"response_format": form}, headers=headers)
        for headers in ({}, {"Prefer": "headers-first"})
    ]
    plain, early = (re.sub(r'"job_id": "\w+"', "", answer.text) for answer in answers)
    assert plain == early != ""
    assert answers[0].headers["content-type"] == answers[1].headers["content-type"]


def test_failure_before_the_head_keeps_its_status(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = [ModelUnavailable("Gone.")]
    response = http.post("/transcribe", files={"file": wav}, headers={"Prefer": "headers-first"})
    assert response.status_code == 503


@pytest.mark.parametrize("error", [EngineFailure("It broke."), RuntimeError("a bug")])
def test_failure_after_the_head_is_no_whole_answer(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, error: Exception
) -> None:
    engine.steps = [QUEUED, error]
    headers = {"Prefer": "headers-first", "X-Request-Id": "broken-off"}
    with pytest.raises(httpx2.RemoteProtocolError):
        http.post("/transcribe", files={"file": wav}, headers=headers)
    assert state(http, "broken-off")["state"] == "failed"
