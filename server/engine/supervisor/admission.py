"""Admission control: limits on the requests and the audio in the server, and the time after which to try again."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from server.engine.supervisor.ticket import Ticket
from server.errors import Overloaded

HALF_LIFE = 60.0  # seconds of work after which a measurement counts half
FIRST_GUESS = 5.0  # seconds after which a client may try again, until a rate has been measured


class Rate:
    """The measured speed, in seconds of audio per second of work; recent work counts most."""

    def __init__(self) -> None:
        self._audio = self._time = 0.0
        self._since: float | None = None

    def busy(self, busy: bool) -> None:
        """Start or stop the clock: time counts only while there is work."""
        self._since = (self._since or monotonic()) if busy else None

    def add(self, audio_seconds: float) -> None:
        """Count audio that was just transcribed."""
        now = monotonic()
        elapsed = now - (self._since or now)
        self._since = now
        fade = 0.5 ** (elapsed / HALF_LIFE)
        self._audio = self._audio * fade + audio_seconds
        self._time = self._time * fade + elapsed

    @property
    def speed(self) -> float | None:
        """Seconds of audio per second, None until something was measured."""
        return self._audio / self._time if self._time > 0.0 and self._audio > 0.0 else None


class Admission:
    """Limits of ``max_requests`` requests and ``max_seconds`` of audio that wait or run.

    A recording is admitted while the audio is below its limit, however long the recording is.
    """

    def __init__(self, max_requests: int, max_seconds: float) -> None:
        self.max_requests = max_requests
        self.max_seconds = max_seconds
        self.rate = Rate()

    def check(self, tickets: Sequence[Ticket]) -> None:
        """Raise Overloaded if one request more than ``tickets`` is over a limit."""
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
