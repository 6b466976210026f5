"""Answer a request with an error before its body is read."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from server.api.errors import error_response
from server.errors import WhisperXError

DRAINED_BYTES = 4 * 1024 * 1024  # read after a refusal, so that the client is not cut off before it has the answer
DRAIN_SECONDS = 2


async def refuse(error: WhisperXError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the request with the status and the JSON of ``error``, then read and drop some of its body.

    A client that is still sending would otherwise see a broken connection instead of the answer.
    """
    await error_response(error)(scope, receive, _draining(receive, send))


def _draining(receive: Receive, send: Send) -> Send:
    """Wrap ``send``: between the answer's bytes and its end, read and drop some of the request's body.

    The answer also gets the header ``Connection: close``.
    """

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
