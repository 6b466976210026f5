"""A stream of server-sent events (https://html.spec.whatwg.org/#server-sent-events) as an HTTP response.

Each message is a line ``data: {...}``. Between messages a comment is sent every PULSE_SECONDS. The last line is
``data: [DONE]``, or an error object if the computation failed.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from server.api.errors import error_body, internal_error
from server.api.output.disconnect import unless_disconnected
from server.errors import WhisperXError

LOG = logging.getLogger(__name__)
END = "data: [DONE]\n\n"
PULSE = ": waiting\n\n"  # a comment: clients ignore it, and it keeps proxies from closing an idle connection
PULSE_SECONDS = 15.0
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

Message = Mapping[str, Any]


class EventStream(StreamingResponse):
    """A response that streams ``first`` and ``rest``; None among them is sent as a comment.

    When the client disconnects, the response closes the generator ``rest``, which ends the computation.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        first: Message | None,
        rest: AsyncGenerator[Message | None, None],
        request_id: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(_lines(first, rest, request_id), headers={**headers, **STREAM_HEADERS})
        self.messages = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.messages):
            await super().__call__(scope, receive, send)


async def stream(messages: AsyncGenerator[Message, None], request: Request, headers: Mapping[str, str]) -> EventStream:
    """Return a response that streams ``messages``, after the first of them exists or PULSE_SECONDS have passed.

    An error before that is raised, so that it is answered with its own status; a later one becomes the last event.
    """
    steps = _pulsed(messages)
    first = await unless_disconnected(request, anext(steps))
    return EventStream(first, steps, request.state.request_id, headers)


async def _pulsed(messages: AsyncGenerator[Message, None]) -> AsyncGenerator[Message | None, None]:
    """Yield the messages, and None each time that PULSE_SECONDS have passed without one."""
    async with aclosing(messages):
        while True:
            step = asyncio.create_task(_next(messages))
            try:
                while not (await asyncio.wait({step}, timeout=PULSE_SECONDS))[0]:
                    yield None
            finally:
                step.cancel()
                await asyncio.gather(step, return_exceptions=True)
            message = step.result()
            if message is None:
                return
            yield message


async def _next(messages: AsyncGenerator[Message, None]) -> Message | None:
    return await anext(messages, None)


async def _lines(
    first: Message | None, rest: AsyncGenerator[Message | None, None], request_id: str
) -> AsyncIterator[str]:
    """Yield the text of the stream; an error is its last event, because the status 200 has already been sent."""
    yield _line(first)
    try:
        async for message in rest:
            yield _line(message)
    except WhisperXError as error:
        LOG.warning("Request %s failed while it was streamed: %s", request_id, error)
        yield _line(error_body(error))
    except Exception:
        LOG.exception("Request %s failed while it was streamed.", request_id)
        yield _line(error_body(internal_error(request_id)))
    else:
        yield END


def _line(message: Mapping[str, Any] | None) -> str:
    return PULSE if message is None else f"data: {json.dumps(message, ensure_ascii=False, allow_nan=False)}\n\n"
