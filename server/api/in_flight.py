"""The progress of requests with a recording, kept while they run and for a while after."""

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

KEPT = 1000  # ended requests whose progress is still known

RequestState = Literal["receiving", "queued", "running", "done", "failed", "cancelled"]
ENDED: tuple[RequestState, ...] = ("done", "failed", "cancelled")


@dataclass(slots=True)
class RequestProgress:
    """The progress of one request for a transcription.

    ``id`` is the id of the job, ``request_id`` the one that the client chose or the same, ``owner`` the name of its API
    key. ``begun`` is on the monotonic clock, in seconds. ``stage`` is the step that the request waits for: upload,
    queue, decoder or diarize; None when it has ended. ``done`` and ``total`` are seconds of audio.
    """

    id: str
    request_id: str
    owner: str | None
    begun: float = field(default_factory=time.monotonic)
    state: RequestState = "receiving"
    stage: str | None = "upload"
    done: float = 0.0
    total: float | None = None
    error: ErrorDetail | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """Yield the engine's events unchanged, and record the progress, the end or the error that they bring."""
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
        """Record that the request failed, or that its client cancelled it."""
        if isinstance(error, Cancelled):
            self._set("cancelled", None)
        else:
            known = error if isinstance(error, WhisperXError) else internal_error(self.request_id)
            self.error = error_body(known)["error"]
            self._set("failed", None)

    def end(self) -> None:
        """Mark the request as cancelled if it has neither succeeded nor failed."""
        if self.state not in ENDED:
            self._set("cancelled", None)

    def _set(self, state: RequestState, stage: str | None) -> None:
        self.state, self.stage = state, stage
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Wait until the state or the progress of the request changes."""
        await self._changed.wait()


class InFlightRequests:
    """The progress of all running requests and of the last KEPT ended ones, by job id and by the client's id."""

    def __init__(self) -> None:
        self._found: dict[str, RequestProgress] = {}
        self._ended: deque[RequestProgress] = deque()

    @contextmanager
    def tracked(self, job_id: str, request_id: str, owner: str | None) -> Iterator[RequestProgress]:
        """Context manager of one request: ``find`` returns its progress from now on, and the end of the block ends it.

        A request whose block raises has failed. If a client uses a ``request_id`` again, it means the newer request.
        """
        progress = RequestProgress(job_id, request_id, owner)
        self._found[job_id] = self._found[_client_key(request_id, owner)] = progress
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
        """Return the progress of a request by either id, if it belongs to the API key ``owner``; else None."""
        found = self._found.get(_client_key(name, owner)) or self._found.get(name)
        return found if found and found.owner == owner else None

    def _forget(self, progress: RequestProgress) -> None:
        for name in (progress.id, _client_key(progress.request_id, progress.owner)):
            if self._found.get(name) is progress:
                del self._found[name]


def _client_key(request_id: str, owner: str | None) -> str:
    """Return the dictionary key of an id that a client chose, where ``owner`` is the name of the client's API key.

    The slash, which no id has, keeps it apart from job ids, and the owner keeps it apart from other clients' ids.
    """
    return f"{owner or ''}/{request_id}"
