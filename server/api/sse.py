"""OpenAI's streamed transcription: server-sent events out of the engine's events."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from server.api.errors import error_body, internal_error
from server.engine import Event, Finished, SegmentReady
from server.errors import EngineFailure, WhisperXError
from server.formats import openai
from server.pipeline.types import Segment, Transcript

LOG = logging.getLogger(__name__)
END = "data: [DONE]\n\n"

Message = Mapping[str, Any]


class EventStream(StreamingResponse):
    """Sends messages that have begun; closes them, and with them the computation, when the client leaves."""

    media_type = "text/event-stream"

    def __init__(
        self, first: Message, rest: AsyncGenerator[Message, None], request_id: str, headers: Mapping[str, str]
    ) -> None:
        quiet = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(_lines(first, rest, request_id), headers={**headers, **quiet})
        self.messages = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.messages):
            await super().__call__(scope, receive, send)


async def messages(
    events: AsyncGenerator[Event, None], *, diarized: bool = False, with_logprobs: bool = False
) -> AsyncGenerator[Message, None]:
    """Text as it becomes final, then who said it (diarized), then the whole.

    The deltas joined are exactly the text of the last message.
    """
    text = _Text()
    async with aclosing(events):
        async for event in events:
            if isinstance(event, SegmentReady):
                if delta := text.delta(event.segment.text):
                    yield _delta(delta, event.segment, diarized, with_logprobs)
            elif isinstance(event, Finished):
                for segment in openai.diarized_segments(event.transcript.segments) if diarized else ():
                    yield segment
                yield _done(text.whole, event.transcript, with_logprobs)
                return
    raise EngineFailure("The engine ended without an answer.")


class _Text:
    """Cuts the space around the whole text from pieces of it: a space is held back until something follows it."""

    def __init__(self) -> None:
        self.whole = ""
        self._held = ""

    def delta(self, piece: str) -> str:
        pending = self._held + piece if self.whole else piece.lstrip()
        delta = pending.rstrip()
        self._held = pending[len(delta) :]
        self.whole += delta
        return delta


def _delta(delta: str, segment: Segment, diarized: bool, with_logprobs: bool) -> Message:
    message: dict[str, Any] = {"type": "transcript.text.delta", "delta": delta}
    if diarized:
        message["segment_id"] = str(segment.id)
    if with_logprobs:
        message["logprobs"] = openai.logprobs([segment])
    return message


def _done(text: str, transcript: Transcript, with_logprobs: bool) -> Message:
    message = {
        "type": "transcript.text.done",
        "text": text,
        "languages": openai.languages(transcript),
        "usage": openai.token_usage(transcript),
    }
    return message | {"logprobs": openai.logprobs(transcript.segments)} if with_logprobs else message


async def _lines(first: Message, rest: AsyncGenerator[Message, None], request_id: str) -> AsyncIterator[str]:
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


def _line(message: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(message, ensure_ascii=False, allow_nan=False)}\n\n"
