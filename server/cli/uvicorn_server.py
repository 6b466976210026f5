"""uvicorn, so that it ends with status 0 and in time when told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI

log = logging.getLogger(__name__)

GRACE_SECONDS = 5  # for answers under way; then they are cut off
LEAVE_SECONDS = 3  # for the engine to end its batch; `docker stop` kills 10 seconds after it asked


class Server(uvicorn.Server):
    """Serves ``app`` until SIGTERM or SIGINT."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_SECONDS)
        )
        logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its good news is announced already
        logging.getLogger("uvicorn.error").addFilter(_is_no_cancellation)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Unlike uvicorn's own, leaves no signal to be raised again at the end, which would be the exit status."""
        self.force_exit = self.should_exit
        self.should_exit = True
        watchdog = threading.Timer(GRACE_SECONDS + LEAVE_SECONDS, _leave)
        watchdog.daemon = True
        watchdog.start()


def _leave() -> None:
    log.warning("Left without waiting for the batch under way.")
    os._exit(0)  # a batch in native code cannot be interrupted, and the interpreter would wait for its thread


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """An answer cut off at the end of the grace is expected: one line, which uvicorn writes, is enough."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
