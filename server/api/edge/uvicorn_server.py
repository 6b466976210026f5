"""uvicorn with a shutdown that finishes running requests, ends in bounded time, and leaves exit status 0."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from server.api.edge.connections import bounded_connection
from server.api.edge.limits import Shutdown
from server.engine.contract import Engine
from server.settings.service import ServerSettings

log = logging.getLogger(__name__)

CLOSE_SECONDS = 1  # time for connections to close once their answers are sent or cancelled
LEAVE_SECONDS = 3  # time for the engine to stop


class Server(uvicorn.Server):
    """A server of ``app`` that runs until SIGTERM or SIGINT.

    Server(create_app(settings, engine), settings.server).run(sockets=[bound_socket])
    """

    def __init__(self, app: FastAPI, settings: ServerSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=bounded_connection(settings.max_connections, settings.read_timeout_seconds),
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=CLOSE_SECONDS,
                callback_notify=self._look_at_engine,
                timeout_notify=0,  # every second, which is the shortest
            )
        )
        self._engine: Engine = app.state.engine
        self._when_ready: Callable[[Engine], None] | None = None
        self._shutdown: Shutdown = app.state.shutdown
        self._seconds = settings.shutdown_seconds
        logging.getLogger("uvicorn").setLevel(logging.WARNING)  # the command line announces the start itself
        logging.getLogger("uvicorn.error").addFilter(_is_no_cancellation)

    def when_ready(self, call: Callable[[Engine], None]) -> None:
        """Call ``call`` once, with the engine, within a second of the moment at which it is ready."""
        self._when_ready = call

    async def _look_at_engine(self) -> None:
        if self._when_ready and self._engine.status().state == "ready":
            call, self._when_ready = self._when_ready, None
            call(self._engine)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the shutdown on a signal; a second signal ends the wait for running requests.

        A timer ends the process if the shutdown takes too long. uvicorn's own method would raise the signal again at
        the end, which would set the exit status.
        """
        self.force_exit = self.should_exit
        self.should_exit = True
        watchdog = threading.Timer(self._seconds + CLOSE_SECONDS + LEAVE_SECONDS, _leave)
        watchdog.daemon = True
        watchdog.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the running requests, answer 503 to new ones, and cancel those that are not done in time."""
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
    """Logging filter that drops the traceback of a request cancelled by the shutdown.

    uvicorn logs another line about the request.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
