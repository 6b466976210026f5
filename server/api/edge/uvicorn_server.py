"""uvicorn, so that it ends with status 0 and in time when told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from types import FrameType

import uvicorn
from fastapi import FastAPI

from server.api.edge.connections import bounded
from server.api.edge.limits import Shutdown
from server.settings.service import ServerSettings

log = logging.getLogger(__name__)

CLOSE_SECONDS = 1  # for connections to close once their answers are sent or given up
LEAVE_SECONDS = 3  # for the engine to end


class Server(uvicorn.Server):
    """Serves ``app`` until SIGTERM or SIGINT."""

    def __init__(self, app: FastAPI, settings: ServerSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=bounded(settings.max_connections, settings.read_timeout_seconds),
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=CLOSE_SECONDS,
            )
        )
        self._shutdown: Shutdown = app.state.shutdown
        self._seconds = settings.shutdown_seconds
        logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its good news is announced already
        logging.getLogger("uvicorn.error").addFilter(_is_no_cancellation)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Unlike uvicorn's own, leaves no signal to be raised again at the end, which would be the exit status."""
        self.force_exit = self.should_exit
        self.should_exit = True
        watchdog = threading.Timer(self._seconds + CLOSE_SECONDS + LEAVE_SECONDS, _leave)
        watchdog.daemon = True
        watchdog.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is under way while new requests are refused, in words rather than by a closed port."""
        self._shutdown.begun = True
        clock = asyncio.get_running_loop().time
        end = clock() + self._seconds
        while self.server_state.tasks and not self.force_exit and clock() < end:
            await asyncio.sleep(0.05)
        if self.server_state.tasks:
            log.warning("Cut off %d requests that were not done in time.", len(self.server_state.tasks))
        for task in self.server_state.tasks:
            task.cancel()
        await super().shutdown(sockets)


def _leave() -> None:
    log.warning("Left without waiting for the batch under way.")
    os._exit(0)  # a batch in native code cannot be interrupted, and the interpreter would wait for its thread


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """An answer cut off at the end of the grace is expected: one line, which uvicorn writes, is enough."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
