"""Wall time by stage and device; each moment is charged to one stage only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from server.transcript import StageTime


class StageClock:
    """The time that the stages of one request have taken.

    Stages may nest (speech detection pulls audio from the decoder): the inner stage stops the outer one's clock.
    """

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}
        self._running: list[tuple[str, str]] = []
        self._mark = 0.0

    @contextmanager
    def stage(self, stage: str, device: str) -> Iterator[None]:
        """Charge the time inside to a stage on a device."""
        self._charge()
        self._running.append((stage, device))
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def add(self, stage: str, device: str, seconds: float) -> None:
        """Charge seconds that were measured elsewhere, such as a share of a batch."""
        key = (stage, device)
        self._seconds[key] = self._seconds.get(key, 0.0) + seconds

    def _charge(self) -> None:
        now = perf_counter()
        if self._running:
            self.add(*self._running[-1], now - self._mark)
        self._mark = now

    def times(self) -> tuple[StageTime, ...]:
        """Return the times in milliseconds, in the order in which the stages first ran."""
        return tuple(
            StageTime(stage, device, round(seconds * 1000, 3)) for (stage, device), seconds in self._seconds.items()
        )
