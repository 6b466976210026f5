"""A request in the HTTP process: its results so far, and the attempts that were made."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic

from server.engine.contract import Job
from server.engine.messages import Submit, WindowDone
from server.transcript import Event, Finished, Progress, Resume, Segment, SegmentReady, Transcript

ATTEMPTS = 2


class Ticket:
    """A request in the HTTP process, with its progress and ``outcomes``, a queue that its client reads.

    The queue receives events, and at the end Finished or an error. ``seconds`` is the length of the recording, None
    until known, and ``done`` the seconds that were transcribed. No segment is put twice, however many attempts are
    made.
    """

    def __init__(self, number: int, job: Job) -> None:
        self.number = number
        self.job = job
        self.outcomes: asyncio.Queue[Event | BaseException] = asyncio.Queue()
        self.attempts = 0
        self.submitted = False
        self.running = False
        self.seconds: float | None = None
        self.done = 0.0
        self.queue_seconds: float | None = None
        self._admitted = monotonic()
        self._resume = Resume()
        self._segments: list[Segment] = []
        self.outcomes.put_nowait(Progress(0.0, None, "queue"))

    @property
    def left(self) -> float:
        """The seconds of audio still to be transcribed, 0 while the length is not known."""
        return max(0.0, (self.seconds or 0.0) - self.done)

    def submit(self) -> Submit:
        """Return the message that lets a worker process begin, or continue after the last delivered window.

        The windows of a request that was being processed when a process ended share no batch with others.
        """
        self.submitted = True
        resume = replace(self._resume, segments=tuple(self._segments))
        job = self.job
        return Submit(self.number, job.path, job.options, job.interactive, resume, solo=self.attempts > 0)

    def started(self) -> float | None:
        """Record that the worker reads the audio; return the seconds waited in the queue, None on a further attempt."""
        self.running = True
        if self.queue_seconds is not None:
            return None
        self.queue_seconds = monotonic() - self._admitted
        return self.queue_seconds

    def window(self, window: WindowDone) -> None:
        """Queue a window's segments and the progress for the client, and store what a further attempt needs."""
        self._segments += window.segments
        self._resume = Resume(window.index + 1, (), window.languages, self._resume.lost + window.lost)
        self.done = window.end
        for segment in window.segments:
            self.outcomes.put_nowait(SegmentReady(segment))
        self.outcomes.put_nowait(Progress(round(window.end, 3), window.total, "decoder"))

    def diarizing(self) -> None:
        """Queue an event for the client which says that speakers are being labelled."""
        self.outcomes.put_nowait(Progress(round(self.done, 3), self.seconds, "diarize"))

    def finish(self, transcript: Transcript) -> None:
        """Queue the transcript for the client, as the last event."""
        waited = round(self.queue_seconds or 0.0, 4)
        self.outcomes.put_nowait(Finished(replace(transcript, queue_seconds=waited)))

    def fail(self, error: BaseException) -> None:
        """Queue an error for the client, in place of a transcript."""
        self.outcomes.put_nowait(error)

    def interrupted(self, *, suspect: bool) -> bool:
        """Record that the worker process ended; return True if the request may be tried again.

        ``suspect`` says that the process was working on this request at its end, so that the attempt counts.
        """
        self.submitted = self.running = False
        self.attempts += suspect
        return self.attempts < ATTEMPTS
