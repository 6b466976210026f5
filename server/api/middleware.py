"""What happens to every request, as pure ASGI: an id, a log line, a last net for faults, a limit on the body."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.errors import error_response, internal_error
from server.errors import NotReady, TooLarge, WhisperXError

ACCESS_LOG = logging.getLogger("server.access")
LOG = logging.getLogger(__name__)
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
DRAINED_BYTES = 4 * 1024 * 1024  # read on after a refusal, so that the client is not cut off before it has the answer
DRAIN_SECONDS = 2


class RequestLog:
    """Gives each request an id (the client's, if it is sane), logs one line, and answers 500 to what nobody caught.

    uvicorn cancels requests when the server stops and its grace is over: they are answered 503.

    The query string is not logged: it may hold what the client would not want in a log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        started = time.perf_counter()
        try:
            await self.app(scope, receive, send_with_id)
        except asyncio.CancelledError:
            if not status:
                await error_response(NotReady("The server is stopping."))(scope, receive, send_with_id)
            raise
        except Exception:
            LOG.exception("Request %s failed.", request_id)
            if not status:
                await error_response(internal_error(request_id))(scope, receive, send_with_id)
        finally:
            ms = (time.perf_counter() - started) * 1000
            client = scope["client"][0] if scope.get("client") else "-"
            path = quote(scope["path"])  # a line break in it must not begin a line of the log
            ACCESS_LOG.info("%s %s %s %d %.0f ms %s", client, scope["method"], path, status, ms, request_id)


class BodyLimit:
    """Refuses a body that is too large: by its Content-Length at once, else as soon as that many bytes have come."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self.max_bytes:
            await error_response(self._too_large())(scope, receive, _draining(receive, send))
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


def _draining(receive: Receive, send: Send) -> Send:
    """Sends the whole answer, then reads some of the body that is still coming before the connection is closed."""

    async def drained(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["connection"] = "close"
            await send(message)
            return
        await send({**message, "more_body": True})
        with suppress(TimeoutError):
            await asyncio.wait_for(_drain(receive), DRAIN_SECONDS)
        await send({"type": "http.response.body", "body": b""})

    return drained


async def _drain(receive: Receive) -> None:
    left = DRAINED_BYTES
    more = True
    while more and left > 0:
        part = await receive()
        left -= len(part.get("body", b""))
        more = part.get("more_body", False)


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
