"""OpenAI's events of a streamed transcription, made from the engine's events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from server.api.output.sse import Message
from server.errors import EngineFailure
from server.formats import openai
from server.transcript import Event, Finished, Segment, SegmentReady, Transcript


async def messages(
    events: AsyncGenerator[Event, None], *, diarized: bool = False, with_logprobs: bool = False
) -> AsyncGenerator[Message, None]:
    """Turn the engine's events into OpenAI's: text deltas as segments become final, and the whole text at the end.

    If ``diarized``, the segments with their speakers come before the whole text, with the numbers that the deltas have.
    The deltas joined are exactly that text. Raises whatever the engine raises, and EngineFailure if it ends without an
    answer.
    """
    text = _Text()
    ids: dict[tuple[str | None, float, float, str], int] = {}
    async with aclosing(events):
        async for event in events:
            if isinstance(event, SegmentReady):
                ids[_place(event.segment)] = event.segment.id
                if delta := text.delta(event.segment.text):
                    yield _delta(delta, event.segment, diarized, with_logprobs)
            elif isinstance(event, Finished):
                sent = [replace(s, id=ids.get(_place(s), s.id)) for s in event.transcript.segments]
                for segment in openai.diarized_segments(sent) if diarized else ():
                    yield segment
                yield _done(text.whole, event.transcript, with_logprobs)
                return
    raise EngineFailure("The engine ended without an answer.")


def _place(segment: Segment) -> tuple[str | None, float, float, str]:
    """Return what a segment keeps when the segments of several channels are put in order and numbered anew."""
    return segment.speaker, segment.start, segment.end, segment.text


class _Text:
    """The text of a stream, collected from its pieces and without white space at its beginning and end.

    White space at the end of a piece is held back until more text follows it.
    """

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
