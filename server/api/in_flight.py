"""How far each request is, for whoever asks while it runs and shortly after."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Literal

from server.api.errors import ErrorDetail, error_body, internal_error
from server.errors import Cancelled, WhisperXError
from server.transcript import Event, Finished, Progress

KEPT = 1000  # ended requests that can still be asked for

State = Literal["receiving", "queued", "running", "done", "failed", "cancelled"]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")


@dataclass(slots=True)
class RequestProgress:
    """One request; ``done`` and ``total`` are seconds of audio, ``owner`` the name of its API key."""

    id: str
    request_id: str
    owner: str | None
    begun: float = field(default_factory=time.monotonic)
    state: State = "receiving"
    stage: str | None = "upload"
    done: float = 0.0
    total: float | None = None
    error: ErrorDetail | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """Pass the engine's events on, and note what they say."""
        self._set("queued", "queue")
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Progress):
                        self.done, self.total = event.done, event.total
                        self._set("queued" if event.stage == "queue" else "running", event.stage)
                    elif isinstance(event, Finished):
                        self.done = self.total = event.transcript.duration
                        self._set("done", None)
                    yield event
        except Exception as error:
            self.fail(error)
            raise

    def fail(self, error: Exception) -> None:
        if isinstance(error, Cancelled):
            self._set("cancelled", None)
        else:
            known = error if isinstance(error, WhisperXError) else internal_error(self.request_id)
            self.error = error_body(known)["error"]
            self._set("failed", None)

    def end(self) -> None:
        """Nothing more will come: who has neither succeeded nor failed was cut off."""
        if self.state not in ENDED:
            self._set("cancelled", None)

    def _set(self, state: State, stage: str | None) -> None:
        self.state, self.stage = state, stage
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        await self._changed.wait()


class Requests:
    """All requests with a recording, by the id made here and by the one that the client chose."""

    def __init__(self) -> None:
        self._found: dict[str, RequestProgress] = {}
        self._ended: deque[RequestProgress] = deque()

    @contextmanager
    def following(self, job_id: str, request_id: str, owner: str | None) -> Iterator[RequestProgress]:
        """Until the block ends; a client's id that is used again means the newer request."""
        progress = RequestProgress(job_id, request_id, owner)
        self._found[job_id] = self._found[_chosen(request_id, owner)] = progress
        try:
            yield progress
        except Exception as error:
            if progress.state not in ENDED:
                progress.fail(error)
            raise
        finally:
            progress.end()
            self._ended.append(progress)
            if len(self._ended) > KEPT:
                self._forget(self._ended.popleft())

    def find(self, name: str, owner: str | None) -> RequestProgress | None:
        """Only what belongs to the same API key."""
        found = self._found.get(_chosen(name, owner)) or self._found.get(name)
        return found if found and found.owner == owner else None

    def _forget(self, progress: RequestProgress) -> None:
        for name in (progress.id, _chosen(progress.request_id, progress.owner)):
            if self._found.get(name) is progress:
                del self._found[name]


def _chosen(request_id: str, owner: str | None) -> str:
    """Apart from the ids made here, and apart from those of other keys; no id has a slash."""
    return f"{owner or ''}/{request_id}"
