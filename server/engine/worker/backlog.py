"""The requests of a worker process and the queues of their windows, shared by its threads."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Condition

from server.engine.worker.queues import Queues, Sizes, StageName, Step
from server.engine.worker.request import Request
from server.pipeline.work import Work


class Backlog:
    """The queues of requests and windows, behind a lock; any thread may call any method.

    ``next_to_read`` and ``next_step`` wait for work. A request is over, and ``find`` has it no longer, from the moment
    it fails, is cancelled or is complete. Its session is closed later by the thread that reads files, because a file
    cannot be closed while it is read.
    """

    def __init__(self, sizes: Sizes) -> None:
        self._changed = Condition()
        self._queues = Queues(sizes)
        self._to_close: list[Request] = []

    def resize(self, sizes: Sizes) -> None:
        """Set the sizes of the batches to come."""
        with self._changed:
            self._queues.resize(sizes)

    @property
    def idle(self) -> bool:
        """True while there is no request."""
        with self._changed:
            return not self._queues.requests

    def add(self, request: Request) -> None:
        with self._changed:
            self._queues.add(request)
            self._changed.notify_all()

    def find(self, number: int) -> Request | None:
        """Return the request of this number, None if it is over (failed, cancelled or complete)."""
        with self._changed:
            return self._queues.requests.get(number)

    def remove(self, request: Request) -> bool:
        """End a request: drop its queued windows and hand its session over for closing; return False if it was over."""
        with self._changed:
            if request.id not in self._queues.requests:
                return False
            self._queues.remove(request)
            self._to_close.append(request)
            self._changed.notify_all()
            return True

    def remove_if_complete(self, request: Request) -> bool:
        """End a request if its file is read and all its windows are delivered; return True if it was ended.

        The request's session stays open until ``close`` is called with the request.
        """
        with self._changed:
            if request.id not in self._queues.requests or not request.read_whole or request.undelivered:
                return False
            self._queues.remove(request)
            return True

    def close(self, request: Request) -> None:
        """Queue a complete request for the reading thread, which closes its session."""
        with self._changed:
            self._to_close.append(request)
            self._changed.notify_all()

    def next_to_read(self) -> tuple[list[Request], Request | None]:
        """Wait for work of the reading thread; return requests to close, and one (or None) to probe or read."""
        with self._changed:
            self._changed.wait_for(lambda: self._to_close or self._queues.next_to_read())
            to_close, self._to_close = self._to_close, []
            return to_close, self._queues.next_to_read()

    def cut(self, request: Request, works: Sequence[Work] | None) -> None:
        """Queue new windows of a request for the encoder; ``works`` is None at the end of the recording."""
        with self._changed:
            if request.id in self._queues.requests:
                request.read_whole = works is None
                self._queues.cut(request, works or ())
                self._changed.notify_all()

    def next_step(self, stages: tuple[StageName, ...]) -> Step:
        """Wait for the next batch of one of ``stages``, take its windows out of the queue, and return it."""
        with self._changed:
            step = self._changed.wait_for(lambda: self._queues.next_step(stages))
        assert step  # noqa: S101
        return step

    def encoded(self, step: Step) -> None:
        """Queue the windows of an encoded batch for the decoder."""
        with self._changed:
            self._queues.encoded(step.entries)
            self._changed.notify_all()

    def encode_in_full(self, entries: Sequence[tuple[float, Work]]) -> None:
        """Queue windows for the encoder again; each comes with its place in the queue."""
        with self._changed:
            self._queues.encode_in_full(entries)
            self._changed.notify_all()

    def decode_again(self, entries: Sequence[tuple[float, Work]]) -> None:
        """Queue windows for the decoder again, for their next temperature; each comes with its place in the queue."""
        with self._changed:
            self._queues.decode_again(entries)
            self._changed.notify_all()

    def encode_again(self, request: Request, works: Sequence[Work]) -> None:
        """Queue the halves of windows, which are decoded again, for the encoder, unless the request is over."""
        with self._changed:
            if request.id in self._queues.requests:
                self._queues.encode_again(request, works)
                self._changed.notify_all()

    def delivered(self, request: Request) -> bool:
        """Count one window of a request as delivered to the server; return False if the request is over."""
        with self._changed:
            if request.id not in self._queues.requests:
                return False
            request.undelivered -= 1
            self._changed.notify_all()
            return True
