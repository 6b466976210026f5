"""Middleware (pure ASGI) that bounds requests before anything is computed: shutdown, body size and upload speed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.edge.refusal import refuse
from server.errors import NotReady, TooLarge, TooManyConnections, TooSlow, WhisperXError

TOO_MANY_CONNECTIONS = "too_many_connections"  # a key of the connection's state, set by server.api.edge.connections
ANSWERED_DURING_SHUTDOWN = ("/livez", "/metrics")
ANSWERED_DURING_SHUTDOWN_BELOW = "/v1/requests/"  # the progress of the requests that are still running


@dataclass
class Shutdown:
    """The state of the shutdown: ``begun`` is set when the server was told to stop."""

    begun: bool = False


class Availability:
    """Middleware that answers 503 on a connection over the limit, and to all requests once the shutdown has begun.

    Liveness, metrics and the progress of requests are still answered during the shutdown.
    """

    def __init__(self, app: ASGIApp, shutdown: Shutdown) -> None:
        self.app = app
        self.shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["state"].get(TOO_MANY_CONNECTIONS):
            await refuse(TooManyConnections("Too many connections are open."), scope, receive, send)
        elif self.shutdown.begun and not _answered_during_shutdown(scope["path"]):
            await refuse(NotReady("The server is stopping."), scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _answered_during_shutdown(path: str) -> bool:
    return path in ANSWERED_DURING_SHUTDOWN or path.startswith(ANSWERED_DURING_SHUTDOWN_BELOW)


class BodyLimit:
    """Middleware that refuses a body of more than ``max_bytes``, at once if its Content-Length announces it."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self.max_bytes:
            await refuse(self._too_large(), scope, receive, send)
        else:
            await self.app(scope, self._counting(receive), send)

    def _counting(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> WhisperXError:
        return TooLarge(
            f"The request body is larger than {self.max_bytes} bytes.",
            param="file",
            cure="Send a compressed format such as opus or mp3, or raise server.max_upload_mb.",
        )


class UploadSpeed:
    """Middleware that raises TooSlow if a request body pauses or arrives too slowly.

    The body may pause for ``seconds``. After a grace time of ``seconds``, it must have arrived at ``rate`` bytes per
    second on average; a ``rate`` of 0 bounds the pauses only. Only the time spent waiting for the client counts, not
    the time that the server takes to store the bytes.
    """

    def __init__(self, app: ASGIApp, seconds: float, rate: int) -> None:
        self.app = app
        self.seconds = seconds
        self.rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, self._timed(receive) if scope["type"] == "http" else receive, send)

    def _timed(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        waited = 0.0
        received = 0
        whole = False
        clock = asyncio.get_running_loop().time

        async def timed() -> Message:
            nonlocal waited, received, whole
            if whole:  # the next message is the disconnect of the client, which may come at any time
                return await receive()
            allowed = self.seconds
            if self.rate:
                allowed = min(allowed, self.seconds + received / self.rate - waited)
            begun = clock()
            try:
                async with asyncio.timeout(allowed):
                    message = await receive()
            except TimeoutError as error:
                why = f"The request body stopped coming, or came slower than {self.rate} bytes per second."
                raise TooSlow(why, param="file") from error
            waited += clock() - begun
            received += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            return message

        return timed
