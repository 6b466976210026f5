"""A real server on a free port, in a thread of this process."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi import FastAPI

LOADING = 60.0  # seconds that a process may take to load its model on a busy machine


@contextmanager
def serving(app: FastAPI, grace_seconds: int | None = None) -> Iterator[str]:
    """Context manager that runs ``app`` as a real server on a free port, and yields its base URL.

    The server has stopped when the block ends. Running requests get ``grace_seconds`` to finish, None for no limit.
    """
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=grace_seconds,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),), name="server")
    thread.start()
    try:
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive(), "the server ended while it was starting"
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "the server did not stop"


@contextmanager
def connected(url: str, path: str, headers: str) -> Iterator[socket.socket]:
    """Context manager of a connection that has sent the head of a POST and no body."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port or 80)) as sock:
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\n{headers}\r\n\r\n".encode())
        yield sock


def access_log(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines of the access log so far."""
    return [record.getMessage() for record in caplog.records if record.name == "server.access"]


def waited(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Return whether the condition becomes true within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def emptied(uploads: Path) -> bool:
    """Return whether all uploads are removed within ten seconds; the server removes them after it has answered."""
    return waited(lambda: not any(uploads.glob("whisperx-npu-*/*")))
