"""A request on this side of the pipe: what was delivered of it, and how often it was tried."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic

from server.engine.contract import Job
from server.engine.messages import Submit, WindowDone
from server.transcript import Event, Finished, Progress, Resume, Segment, SegmentReady, Transcript

ATTEMPTS = 2


class Ticket:
    """``outcomes`` are what its client gets: events, and at last Finished or an error. Nothing is put there twice."""

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
        """Seconds of audio still to be transcribed, as far as the length is known."""
        return max(0.0, (self.seconds or 0.0) - self.done)

    def submit(self) -> Submit:
        """Once more from behind what was delivered; alone, where it was at work when a process ended."""
        self.submitted = True
        resume = replace(self._resume, segments=tuple(self._segments))
        job = self.job
        return Submit(self.number, job.path, job.options, job.interactive, resume, solo=self.attempts > 0)

    def opened(self) -> float | None:
        """The wait in the queue, the first time; None when this is a further attempt."""
        self.running = True
        if self.queue_seconds is not None:
            return None
        self.queue_seconds = monotonic() - self._admitted
        return self.queue_seconds

    def window(self, window: WindowDone) -> None:
        """Pass a window's segments on and note what a further attempt must know."""
        self._segments += window.segments
        self._resume = Resume(window.index + 1, (), window.language, window.language_probability)
        self.done = window.end
        for segment in window.segments:
            self.outcomes.put_nowait(SegmentReady(segment))
        self.outcomes.put_nowait(Progress(round(window.end, 3), window.total, "decoder"))

    def diarizing(self) -> None:
        self.outcomes.put_nowait(Progress(round(self.done, 3), self.seconds, "diarize"))

    def finish(self, transcript: Transcript) -> None:
        waited = round(self.queue_seconds or 0.0, 4)
        self.outcomes.put_nowait(Finished(replace(transcript, queue_seconds=waited)))

    def fail(self, error: BaseException) -> None:
        self.outcomes.put_nowait(error)

    def interrupted(self, *, suspect: bool) -> bool:
        """The process ended; whether the request may be tried once more. Only those at work then are suspects."""
        self.submitted = self.running = False
        self.attempts += suspect
        return self.attempts < ATTEMPTS
