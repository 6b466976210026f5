"""docker/healthcheck.py, as the image runs it, against a server that answers what it is told to."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

CHECK = Path(__file__).resolve().parents[1] / "docker" / "healthcheck.py"


@contextmanager
def answering(status: int, body: bytes = b"{}") -> Iterator[int]:
    """Context manager of a server that answers /readyz with ``status`` and ``body``; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name in the base class
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def checked(port: int, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"WHISPERX_NPU_SERVER__PORT": str(port)} | variables
    return subprocess.run([sys.executable, "-IS", CHECK], env=environment, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("status", [200, 401])
def test_a_server_that_answers_is_healthy_with_or_without_the_right_key(status: int) -> None:
    with answering(status) as port:
        assert checked(port).returncode == 0


def test_the_reason_of_a_server_that_is_not_ready_is_said() -> None:
    body = json.dumps({"error": {"message": "tiny is being pulled"}}).encode()
    with answering(503, body) as port:
        run = checked(port)
    assert run.returncode == 1
    assert run.stderr == "tiny is being pulled\n"


def test_no_server_is_not_healthy() -> None:
    with answering(200) as port:
        pass
    run = checked(port)
    assert run.returncode == 1
    assert "refused" in run.stderr


def test_the_proxy_of_the_way_out_is_not_asked_for_this_machine() -> None:
    proxy = "http://127.0.0.1:9"  # nobody there
    with answering(200) as port:
        run = checked(port, http_proxy=proxy, HTTP_PROXY=proxy)
    assert run.returncode == 0, run.stderr
