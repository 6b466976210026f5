"""Measurement of wall time by stage and device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from server.transcript import StageTime


class StageClock:
    """A clock that adds up the wall time of one request's stages, by stage and device.

    Stages may nest (speech detection reads audio from the decoder): the inner stage stops the outer one's clock, so no
    moment counts twice.
    """

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}
        self._running: list[tuple[str, str]] = []
        self._mark = 0.0

    @contextmanager
    def stage(self, stage: str, device: str) -> Iterator[None]:
        """Count the wall time of the ``with`` block for this stage on this device."""
        self._charge()
        self._running.append((stage, device))
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def add(self, stage: str, device: str, seconds: float) -> None:
        """Add seconds that were measured elsewhere, such as a share of a batch's time."""
        key = (stage, device)
        self._seconds[key] = self._seconds.get(key, 0.0) + seconds

    def _charge(self) -> None:
        now = perf_counter()
        if self._running:
            self.add(*self._running[-1], now - self._mark)
        self._mark = now

    def times(self) -> tuple[StageTime, ...]:
        """Return the sums in milliseconds, in the order in which the stages first ran."""
        return tuple(
            StageTime(stage, device, round(seconds * 1000, 3)) for (stage, device), seconds in self._seconds.items()
        )
