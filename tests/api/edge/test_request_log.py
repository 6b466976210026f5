"""Request ids, the access log, the limit on bodies, and clients that disconnect."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import openai
import pytest

from server.api import create_app
from server.settings.load import Settings
from tests.api.conftest import MAX_UPLOAD_MB
from tests.api.live import access_log, connected, emptied, serving, waited
from tests.api.scripted import Hang, ScriptedEngine

LIMIT = MAX_UPLOAD_MB * 1024 * 1024


def test_every_answer_has_a_request_id(http: httpx2.Client) -> None:
    ids = {http.get(path).headers["x-request-id"] for path in ("/livez", "/v1/models", "/nowhere", "/docs")}
    assert len(ids) == 4
    assert all(re.fullmatch(r"[0-9a-f]{32}", name) for name in ids)


@pytest.mark.parametrize(("given", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 129, False), ("<x>", False)])
def test_only_a_sane_request_id_is_kept(http: httpx2.Client, given: str, kept: bool) -> None:
    assert (http.get("/livez", headers={"X-Request-Id": given}).headers["x-request-id"] == given) is kept


def test_access_log_has_no_query(http: httpx2.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="server.access"):
        http.get("/v1/models?token=hush", headers={"X-Request-Id": "one"})
        assert waited(lambda: any(" one " in line for line in access_log(caplog)))
    (line,) = [line for line in access_log(caplog) if " one " in line]  # another test's may come late
    assert re.fullmatch(r"127\.0\.0\.1 - GET /v1/models 200 \d+ ms one [0-9a-f]{32}", line)


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_are_logged_at_debug_only(http: httpx2.Client, caplog: pytest.LogCaptureFixture, path: str) -> None:
    with caplog.at_level(logging.DEBUG, logger="server.access"):
        http.get(path)
        assert waited(lambda: bool(access_log(caplog)))
    assert [record.levelno for record in caplog.records if record.name == "server.access"] == [logging.DEBUG]


def test_path_cannot_forge_a_log_line(http: httpx2.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="server.access"):
        http.get("/a%0a127.0.0.1%20GET%20/b")
        assert waited(lambda: bool(access_log(caplog)))
    assert "\n" not in access_log(caplog)[0]


def test_success_logs_no_warning(
    http: httpx2.Client, engine: ScriptedEngine, wav: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for stream in ("false", "true"):
            http.post("/v1/audio/transcriptions", files={"file": wav}, data={"stream": stream}).raise_for_status()
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.parametrize("route", ["/transcribe", "/v1/audio/transcriptions"])
def test_announced_body_over_the_limit(http: httpx2.Client, engine: ScriptedEngine, route: str, uploads: Path) -> None:
    response = http.post(route, files={"file": bytes(LIMIT + 1)})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"
    assert "server.max_upload_mb" in response.json()["error"]["message"]
    assert not engine.jobs
    assert emptied(uploads)


def test_refusal_comes_before_the_body(url: str) -> None:
    with connected(url, "/transcribe", f"Content-Length: {LIMIT * 100}") as sock:
        sock.settimeout(10)
        assert sock.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_counted_body_over_the_limit(http: httpx2.Client, engine: ScriptedEngine, uploads: Path) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(2 * MAX_UPLOAD_MB):
            yield bytes(1024 * 1024)

    response = http.post("/transcribe", content=chunks(), headers={"Content-Type": "audio/wav"})
    assert response.status_code == 413
    assert not engine.jobs
    assert emptied(uploads)


def test_openai_client_sees_the_refusal(client: openai.OpenAI, engine: ScriptedEngine) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.audio.transcriptions.create(model="whisper-1", file=bytes(LIMIT * 2))
    assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")


def test_body_at_the_limit_is_taken(http: httpx2.Client, engine: ScriptedEngine) -> None:
    response = http.post("/transcribe", content=bytes(LIMIT), headers={"Content-Type": "audio/wav"})
    assert response.status_code == 200
    assert len(engine.bytes[0]) == LIMIT


@pytest.mark.parametrize("stream", ["false", "true"])
def test_client_that_leaves_stops_the_engine(
    url: str, engine: ScriptedEngine, wav: bytes, uploads: Path, stream: str
) -> None:
    engine.steps = [Hang()]
    route = "/v1/audio/transcriptions"
    request = httpx2.Request("POST", url + route, files={"file": wav}, data={"stream": stream})
    body = request.read()
    head = f"Content-Type: {request.headers['content-type']}\r\nContent-Length: {len(body)}"
    with connected(url, route, head) as sock:
        sock.sendall(body)
        assert engine.hanging.wait(10)
    assert engine.closed.wait(10), "the engine went on for a client that had left"
    assert emptied(uploads)


def test_client_that_leaves_while_sending(url: str, engine: ScriptedEngine, uploads: Path) -> None:
    with connected(url, "/transcribe", "Content-Type: audio/wav\r\nContent-Length: 1000000") as sock:
        sock.sendall(bytes(1000))
        assert waited(lambda: any(uploads.glob("whisperx-npu-*/*")))
    assert emptied(uploads)
    assert not engine.jobs


def test_other_requests_are_answered_while_one_computes(http: httpx2.Client, url: str, engine: ScriptedEngine) -> None:
    engine.steps = [Hang()]
    with connected(url, "/transcribe", "Content-Type: audio/wav\r\nContent-Length: 4") as sock:
        sock.sendall(b"RIFF")
        assert engine.hanging.wait(10)
        assert http.get("/livez").status_code == 200
        assert http.get("/v1/status").status_code == 200
    assert engine.closed.wait(10)


def test_request_cut_off_by_the_end_of_the_server(settings: Settings, uploads: Path, wav: bytes) -> None:
    engine = ScriptedEngine()
    engine.steps = [Hang()]
    with ThreadPoolExecutor() as threads:
        with serving(create_app(settings, engine), grace_seconds=1) as url:
            answer = threads.submit(httpx2.post, f"{url}/transcribe", files={"file": wav}, timeout=30)
            assert engine.hanging.wait(10)
        response = answer.result()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    assert response.headers["x-request-id"]
    assert engine.closed.is_set()
    assert emptied(uploads)
