"""``Prefer: headers-first``: the head of the answer at once, with where to ask for its progress; the body when ready.

Only for clients that ask: the status is then 200 before anybody knows how it ends. An answer that fails after that has
no end, which HTTP clients report, and its error is found at /v1/requests/{id}.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from fastapi import Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from server.api.output.client import last, unless_left
from server.errors import WhisperXError
from server.transcript import Event, Transcript

LOG = logging.getLogger(__name__)
PREFERENCE = "headers-first"

Respond = Callable[[Transcript], Response]


async def answer(request: Request, events: AsyncGenerator[Event, None], respond: Respond, media_type: str) -> Response:
    """The whole answer, or its head when the job has been admitted. ``respond`` runs in a thread."""
    if not _preferred(request):
        return await asyncio.to_thread(respond, await unless_left(request, last(events)))
    await unless_left(request, anext(events))
    return HeadersFirst(events, respond, media_type, request)


class HeadersFirst(StreamingResponse):
    """An answer that has been admitted, and whose computation ends when the client leaves."""

    def __init__(
        self, events: AsyncGenerator[Event, None], respond: Respond, media_type: str, request: Request
    ) -> None:
        headers = {
            "Link": f'</v1/requests/{request.state.job_id}>; rel="status"',
            "Preference-Applied": PREFERENCE,
            "X-Accel-Buffering": "no",
        }
        super().__init__(self._body(respond), media_type=media_type, headers=headers)
        self.events = events
        self.request_id = request.state.request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.events):
            try:
                await super().__call__(scope, receive, send)
            except WhisperXError as error:  # the connection is closed without an end of the body
                LOG.warning("Request %s failed after its headers were sent: %s", self.request_id, error)

    async def _body(self, respond: Respond) -> AsyncIterator[bytes]:
        yield b""
        response = await asyncio.to_thread(respond, await last(self.events))
        yield bytes(response.body)


def _preferred(request: Request) -> bool:
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    return PREFERENCE in (preference.partition(";")[0].strip().lower() for preference in preferences)
