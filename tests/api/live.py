"""A real server on a free port, in a thread of this process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

LOADING = 60.0  # seconds that a process may take to load its model on a busy machine


@contextmanager
def serving(app: FastAPI, grace_seconds: int | None = None) -> Iterator[str]:
    """Its base URL; the server has stopped when the block ends, after the grace for answers under way."""
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


def waited(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes true within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def emptied(uploads: Path) -> bool:
    """Whether no upload is left; the server removes them after it has answered."""
    return waited(lambda: not any(uploads.glob("whisperx-npu-*/*")))
