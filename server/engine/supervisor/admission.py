"""Admission control: limits on the requests and the audio in the server, and an estimate of when to try again."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from server.engine.supervisor.ticket import Ticket
from server.errors import Overloaded

HALF_LIFE = 60.0  # seconds of work after which a measurement counts half
FIRST_GUESS = 5.0  # seconds after which a client may try again, until a rate has been measured


class Rate:
    """A running measurement of speed, in seconds of audio per second of work; recent work counts most."""

    def __init__(self) -> None:
        self._audio = self._time = 0.0
        self._since: float | None = None

    def busy(self, busy: bool) -> None:
        """Start or stop the clock of this speed measurement; it must run only while requests are being transcribed."""
        self._since = (self._since or monotonic()) if busy else None

    def add(self, audio_seconds: float) -> None:
        """Count these seconds of audio as transcribed since the call before."""
        now = monotonic()
        elapsed = now - (self._since or now)
        self._since = now
        fade = 0.5 ** (elapsed / HALF_LIFE)
        self._audio = self._audio * fade + audio_seconds
        self._time = self._time * fade + elapsed

    @property
    def speed(self) -> float | None:
        """The speed in seconds of audio per second, None until something was measured."""
        return self._audio / self._time if self._time > 0.0 and self._audio > 0.0 else None


class Admission:
    """A check of new requests against limits on the requests, and on the seconds of audio, that wait or run.

    A recording is admitted while the audio is below its limit, however long the recording is.
    """

    def __init__(self, max_requests: int, max_seconds: float) -> None:
        self.max_requests = max_requests
        self.max_seconds = max_seconds
        self.rate = Rate()

    def check(self, tickets: Sequence[Ticket]) -> None:
        """Raise Overloaded, with a time to wait, if no request can be admitted in addition to ``tickets``."""
        waiting = sum(ticket.left for ticket in tickets)
        if len(tickets) >= self.max_requests:
            why = f"{len(tickets)} requests are waiting or running already."
            raise Overloaded(why, retry_after=self._time_for(waiting / len(tickets)))
        if waiting >= self.max_seconds:
            why = f"{waiting:.0f} seconds of audio are waiting already."
            raise Overloaded(why, retry_after=self._time_for(waiting - self.max_seconds))

    def _time_for(self, audio_seconds: float) -> float:
        speed = self.rate.speed
        return max(1.0, audio_seconds / speed) if speed else FIRST_GUESS
