"""Slow uploads, requests during the shutdown, and web pages of other origins."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx2
import pytest

from server.api import create_app
from server.settings.load import load_settings
from tests.api.live import connected, emptied, serving, waited
from tests.api.scripted import Hang, ScriptedEngine

UPLOAD = "Content-Type: audio/wav\r\nContent-Length: 1000000"


@pytest.fixture
def scripted() -> ScriptedEngine:
    return ScriptedEngine()


def said(sock: socket.socket) -> bytes:
    """Return all bytes until the server closes the connection or 10 seconds pass without one."""
    sock.settimeout(10)
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
        if b"\r\n\r\n{" in b"".join(parts) and part.endswith(b"}}"):
            break
    return b"".join(parts)


def test_upload_that_stands_still(scripted: ScriptedEngine, uploads: Path) -> None:
    settings = load_settings(server={"read_timeout_seconds": 0.3})
    with (
        serving(create_app(settings, scripted)) as url,
        connected(url, "/transcribe", UPLOAD) as sock,
    ):
        sock.sendall(bytes(1000))
        answer = said(sock)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"request_timeout" in answer
        assert emptied(uploads)
    assert not scripted.jobs


def test_upload_that_trickles(scripted: ScriptedEngine, uploads: Path) -> None:
    """Each byte arrives in time, but the upload as a whole is too slow."""
    settings = load_settings(server={"read_timeout_seconds": 0.5, "min_upload_rate": 1000})
    with (
        serving(create_app(settings, scripted)) as url,
        connected(url, "/transcribe", UPLOAD) as sock,
    ):
        sock.settimeout(0.05)
        answer = b""
        for _ in range(200):
            sock.sendall(b"x")
            try:
                answer = sock.recv(65536)
                break
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert emptied(uploads)


def test_slow_but_steady_upload_is_taken(scripted: ScriptedEngine, uploads: Path) -> None:
    settings = load_settings(server={"read_timeout_seconds": 0.5, "min_upload_rate": 1000})
    head = "Content-Type: audio/wav\r\nConnection: close\r\nContent-Length: 5000"
    with serving(create_app(settings, scripted)) as url, connected(url, "/transcribe", head) as sock:
        for _ in range(10):
            sock.sendall(bytes(500))
            scripted.closed.wait(0.1)  # 5,000 bytes a second
        assert said(sock).startswith(b"HTTP/1.1 200 ")
    assert len(scripted.bytes[0]) == 5000


def test_upload_under_way_keeps_nobody_waiting(url: str, http: httpx2.Client, wav: bytes, uploads: Path) -> None:
    with connected(url, "/transcribe", UPLOAD) as sock:
        sock.sendall(bytes(1000))
        assert waited(lambda: any(uploads.glob("whisperx-npu-*/*")))
        assert http.post("/transcribe", files={"file": wav}).status_code == 200
    assert emptied(uploads)


def test_server_that_stops_refuses_in_words(scripted: ScriptedEngine, uploads: Path, wav: bytes) -> None:
    app = create_app(load_settings(), scripted)
    scripted.steps = [Hang()]
    with serving(app, grace_seconds=1) as url, connected(url, "/transcribe", UPLOAD.replace("1000000", "4")) as sock:
        sock.sendall(b"RIFF")
        assert scripted.hanging.wait(10)
        app.state.shutdown.begun = True
        for path in ("/transcribe", "/v1/audio/transcriptions"):
            refused = httpx2.post(url + path, files={"file": wav})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "not_ready")
            assert refused.headers["connection"] == "close"
        assert httpx2.get(f"{url}/readyz").status_code == 503
        assert httpx2.get(f"{url}/livez").status_code == 200
        assert httpx2.get(f"{url}/metrics").status_code == 200
        assert len(scripted.jobs) == 1


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [([], None), (["https://a.example"], "https://a.example"), (["https://b.example"], None), (["*"], "*")],
)
def test_pages_of_other_origins(
    scripted: ScriptedEngine, tmp_path: Path, origins: list[str], allowed: str | None
) -> None:
    """A browser sends a preflight without the key, and hides every answer, even a refusal, that lacks the header."""
    keys = tmp_path / "keys"
    keys.write_text("page: a-key-for-the-page\n")
    settings = load_settings(server={"cors_origins": origins}, auth={"keys_file": keys})
    page = {"Origin": "https://a.example"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with serving(create_app(settings, scripted)) as url, httpx2.Client(base_url=url) as browser:
        preflight = browser.options("/transcribe", headers=page | asked)
        assert (preflight.status_code == 200) == (allowed is not None)
        assert preflight.headers.get("access-control-allow-origin") == allowed
        for key, status in (("a-key-for-the-page", 200), ("another", 401)):
            response = browser.get("/v1/models", headers=page | {"Authorization": f"Bearer {key}"})
            assert response.status_code == status
            assert response.headers.get("access-control-allow-origin") == allowed
            assert not allowed or "X-Request-Id" in response.headers["access-control-expose-headers"]
