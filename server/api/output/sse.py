"""Server-sent events: messages as they come, signs of life between them, and an end that says how it ended."""

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
from server.api.output.client import unless_left
from server.errors import WhisperXError

LOG = logging.getLogger(__name__)
END = "data: [DONE]\n\n"
PULSE = ": waiting\n\n"  # a comment, which every client passes over and no proxy takes for silence
PULSE_SECONDS = 15.0
QUIET = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

Message = Mapping[str, Any]


class EventStream(StreamingResponse):
    """Sends messages that have begun; closes them, and with them the computation, when the client leaves."""

    media_type = "text/event-stream"

    def __init__(
        self,
        first: Message | None,
        rest: AsyncGenerator[Message | None, None],
        request_id: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(_lines(first, rest, request_id), headers={**headers, **QUIET})
        self.messages = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.messages):
            await super().__call__(scope, receive, send)


async def stream(messages: AsyncGenerator[Message, None], request: Request, headers: Mapping[str, str]) -> EventStream:
    """Until there is a first message, or the first sign of life, an error still has its status."""
    steps = _pulsed(messages)
    first = await unless_left(request, anext(steps))
    return EventStream(first, steps, request.state.request_id, headers)


async def _pulsed(messages: AsyncGenerator[Message, None]) -> AsyncGenerator[Message | None, None]:
    """The messages, and None whenever there was none for a while."""
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
    """An error after the first event can no longer have a status: it is an event of its own, and the last."""
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
