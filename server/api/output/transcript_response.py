"""The response with a whole transcript; its head goes out early if the client sent ``Prefer: headers-first``.

With that preference the head of the answer is sent as soon as the request is admitted, with a link to its progress, and
the body follows when it is ready. Only clients that ask get this, because the status is 200 before the end is known: an
answer that fails afterwards breaks off, which HTTP clients report, and its error is found at /v1/requests/{id}.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from fastapi import Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from server.api.output.disconnect import unless_disconnected
from server.errors import EngineFailure, WhisperXError
from server.transcript import Event, Finished, Transcript

LOG = logging.getLogger(__name__)
PREFERENCE = "headers-first"

Render = Callable[[Transcript], Response]


async def transcript_response(
    request: Request, events: AsyncGenerator[Event, None], render: Render, media_type: str
) -> Response:
    """Return the rendered transcript, or with ``Prefer: headers-first`` a response that computes its body later.

    ``events`` are the engine's events of one job. ``render`` runs in a thread, since writing hours of text takes a
    while; ``media_type`` is the media type of what it returns. Raises whatever the engine raises, and Cancelled when
    the client disconnects.
    """
    if not _preferred(request):
        return await asyncio.to_thread(render, await unless_disconnected(request, _transcript(events)))
    await unless_disconnected(request, anext(events))
    return HeadersFirstResponse(events, render, media_type, request)


class HeadersFirstResponse(StreamingResponse):
    """A response whose headers are sent before the transcript exists, and whose body is the rendered transcript.

    The computation ends when the client disconnects. An error after the headers breaks the connection off.
    """

    def __init__(self, events: AsyncGenerator[Event, None], render: Render, media_type: str, request: Request) -> None:
        headers = {
            "Link": f'</v1/requests/{request.state.job_id}>; rel="status"',
            "Preference-Applied": PREFERENCE,
            "X-Accel-Buffering": "no",
        }
        super().__init__(self._body(render), media_type=media_type, headers=headers)
        self.events = events
        self.request_id = request.state.request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.events):
            try:
                await super().__call__(scope, receive, send)
            except WhisperXError as error:  # the connection is closed without an end of the body
                LOG.warning("Request %s failed after its headers were sent: %s", self.request_id, error)

    async def _body(self, render: Render) -> AsyncIterator[bytes]:
        yield b""
        response = await asyncio.to_thread(render, await _transcript(self.events))
        yield bytes(response.body)


async def _transcript(events: AsyncGenerator[Event, None]) -> Transcript:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Finished):
                return event.transcript
    raise EngineFailure("The engine ended without an answer.")


def _preferred(request: Request) -> bool:
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    return PREFERENCE in (preference.partition(";")[0].strip().lower() for preference in preferences)
