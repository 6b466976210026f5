"""Who is let in: so many requests, so much audio, and a measured answer to when to come back."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from server.engine.supervisor.ticket import Ticket
from server.errors import Overloaded

HALF_LIFE = 60.0  # seconds of work after which a measurement counts half
FIRST_GUESS = 5.0  # seconds to come back in, until a rate has been measured


class Rate:
    """Seconds of audio per second of work, recent work counting most."""

    def __init__(self) -> None:
        self._audio = self._time = 0.0
        self._since: float | None = None

    def busy(self, busy: bool) -> None:
        """Time counts only while there is work."""
        self._since = (self._since or monotonic()) if busy else None

    def add(self, audio_seconds: float) -> None:
        now = monotonic()
        elapsed = now - (self._since or now)
        self._since = now
        fade = 0.5 ** (elapsed / HALF_LIFE)
        self._audio = self._audio * fade + audio_seconds
        self._time = self._time * fade + elapsed

    @property
    def speed(self) -> float | None:
        return self._audio / self._time if self._time > 0.0 and self._audio > 0.0 else None


class Admission:
    """``max_seconds`` of audio may wait or run; one recording more is let in while there is less than that."""

    def __init__(self, max_requests: int, max_seconds: float) -> None:
        self.max_requests = max_requests
        self.max_seconds = max_seconds
        self.rate = Rate()

    def check(self, tickets: Sequence[Ticket]) -> None:
        """Raises Overloaded."""
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
