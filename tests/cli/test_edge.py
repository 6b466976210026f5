"""The process as it is started: slow heads, too many connections, log lines, and its end while clients hold on."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_serve import Running, running

UPLOAD = b"POST /transcribe HTTP/1.1\r\nHost: x\r\nContent-Type: audio/wav\r\nContent-Length: 100000\r\n\r\n" + bytes(
    1000
)
HEAD_SECONDS = 1.5
MAX_CONNECTIONS = 4

Connect = Callable[[], socket.socket]


@pytest.fixture
def started(environment: dict[str, str], tiny_multilingual: Path) -> Iterator[Running]:
    environment |= {
        "WHISPERX_NPU_SERVER__READ_TIMEOUT_SECONDS": str(HEAD_SECONDS),
        "WHISPERX_NPU_SERVER__MAX_CONNECTIONS": str(MAX_CONNECTIONS),
        "WHISPERX_NPU_SERVER__SHUTDOWN_SECONDS": "0.5",
        "WHISPERX_NPU_LOG__FORMAT": "json",
    }
    with running(environment, "--port", "0", "--model", tiny_multilingual) as server:
        yield server


@pytest.fixture
def connect(started: Running) -> Iterator[Connect]:
    address = urlsplit(started.address)
    with ExitStack() as stack:
        yield lambda: stack.enter_context(socket.create_connection((address.hostname, address.port or 0), timeout=20))


def test_a_head_that_trickles_is_cut_off_and_the_rest_is_not(started: Running, connect: Connect) -> None:
    silent, trickling, second = connect(), connect(), connect()
    second.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert second.recv(4096).startswith(b"HTTP/1.1 200 ")
    second.sendall(b"GET /livez HT")  # the head of a second request on the same connection
    assert _eventually(lambda: _cut_off(trickling, b"G"))
    assert _eventually(lambda: _cut_off(silent))
    assert _eventually(lambda: _cut_off(second))
    assert _status(f"{started.address}/livez") == 200


def test_more_connections_than_are_served(started: Running, connect: Connect) -> None:
    uploads = [connect() for _ in range(MAX_CONNECTIONS)]
    for sock in uploads:
        sock.sendall(UPLOAD)
    time.sleep(0.1)
    over = connect()
    over.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b"".join(iter(lambda: over.recv(4096), b"")).lower()
    assert answer.startswith(b"http/1.1 503 ")
    assert b"connection: close" in answer
    assert b"too_many_connections" in answer
    for sock in uploads:
        sock.close()
    assert _eventually(lambda: _status(f"{started.address}/livez") == 200)


def test_told_to_stop_during_an_unfinished_upload(started: Running, connect: Connect) -> None:
    uploading = connect()
    uploading.sendall(UPLOAD)
    time.sleep(0.1)
    started.process.terminate()
    begun = time.monotonic()
    assert uploading.recv(4096).startswith(b"HTTP/1.1 503 ")
    _stdout, stderr = started.process.communicate(timeout=30)
    assert started.process.returncode == 0
    assert time.monotonic() - begun < 20
    assert "Traceback" not in stderr
    assert "Left without waiting" not in stderr


def test_log_lines_as_json(started: Running) -> None:
    assert _status(f"{started.address}/nowhere?token=hush") == 404
    started.process.terminate()
    _stdout, stderr = started.process.communicate(timeout=30)
    lines = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["logger"] == "server.access"]
    assert (line["level"], line["method"], line["path"], line["status"]) == ("info", "GET", "/nowhere", 404)
    assert (line["client"], line["key"], line["request_id"]) == ("127.0.0.1", "-", line["job_id"])
    assert line["time"].endswith("+00:00")
    assert "hush" not in stderr


def test_keys_that_cannot_be_read_stop_the_start(
    cli: CommandLine, tiny_multilingual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERX_NPU_AUTH__KEYS_FILE", str(tmp_path / "keys"))
    result = cli("serve", "--model", tiny_multilingual, "--port", "0")
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
    assert "Listening" not in result.stderr


class Collector(BaseHTTPRequestHandler):
    """An HTTP handler that stores the traces that OpenTelemetry sends in TRACES."""

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        TRACES.append((self.path, self.rfile.read(length)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


TRACES: list[tuple[str, bytes]] = []


def test_traces_go_where_the_environment_says(environment: dict[str, str], tiny_multilingual: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        environment |= {
            "WHISPERX_NPU_TRACING__ENABLED": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
        }
        with running(environment, "--port", "0", "--model", tiny_multilingual) as server:
            assert _status(f"{server.address}/v1/models/whisper-1") == 200
            server.process.terminate()
            server.process.communicate(timeout=30)
        collector.shutdown()
    assert {path for path, _ in TRACES} == {"/v1/traces"}
    assert any(b"/v1/models/{model_id" in body or b"/v1/models/whisper-1" in body for _, body in TRACES)


def test_traces_that_go_nowhere_stop_the_start(
    cli: CommandLine, tiny_multilingual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    monkeypatch.setenv("WHISPERX_NPU_TRACING__ENABLED", "true")
    result = cli("serve", "--model", tiny_multilingual, "--port", "0")
    assert result.exit_code == 2
    assert "Set OTEL_EXPORTER_OTLP_ENDPOINT" in result.stderr


def _cut_off(sock: socket.socket, sends: bytes = b"") -> bool:
    sock.settimeout(0.05)
    try:
        sock.sendall(sends)
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def _status(url: str) -> int:
    try:
        with urlopen(url, timeout=20) as answer:  # noqa: S310
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def _eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(100):
        if condition():
            return True
        time.sleep(0.05)
    return False
