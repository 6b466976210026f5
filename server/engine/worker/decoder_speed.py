"""The decoder's speed by batch size, learned from the batches of real requests, and the batch size that follows."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

GAIN = 0.1  # share of a window's time that a larger batch must save: it makes every other request wait for longer
ENOUGH = 3  # batches of a size before their times count
KEPT = 16  # batches of a size that are remembered, so that the speed of today replaces that of last month
SHORT = 16  # tokens; in shorter texts the preparation of a window outweighs the tokens
# Relative time for a token by batch size: base in int8, beam 5, CTranslate2 4.8, two cores (docs/performance.md)
EXPECTED = {1: 1.8, 2: 1.4, 4: 1.15, 8: 1.0}


class DecoderSpeed:
    """The decoder's time for a token of one window, by the number of windows in the batch.

    A size is a power of two up to ``largest``; batches between two sizes count for none. A size that no request has
    brought yet is taken to lie between its measured neighbours, or to relate to the nearest one as in EXPECTED.
    ``batches`` are earlier measurements, as the property of that name returns them. Not safe for threads.

        speed = DecoderSpeed(largest=8)
        speed.add(windows=8, tokens=480, seconds=3.4)
        assert speed.best == 8
    """

    def __init__(self, largest: int, batches: Mapping[int, Sequence[float]] | None = None) -> None:
        self.sizes: list[int] = [2**power for power in range(largest.bit_length()) if 2**power <= largest]
        earlier = batches or {}
        self._ms: dict[int, deque[float]] = {size: deque(earlier.get(size, ()), KEPT) for size in self.sizes}

    def add(self, *, windows: int, tokens: int, seconds: float) -> None:
        """Count a batch of ``windows`` windows in which ``tokens`` tokens were decoded in all."""
        if windows in self._ms and tokens >= SHORT * windows:
            self._ms[windows].append(seconds * 1e3 / tokens)

    @property
    def batches(self) -> dict[int, list[float]]:
        """The measured times in ms for a token of one window, by batch size; the latest is the last."""
        return {size: list(times) for size, times in self._ms.items() if times}

    @property
    def measured(self) -> dict[int, float]:
        """The median time in ms for a token of one window, for every batch size that was measured often enough."""
        return {size: median(times) for size, times in self._ms.items() if len(times) >= ENOUGH}

    @property
    def best(self) -> int:
        """The smallest batch size that no larger one beats by the share GAIN."""
        curve: dict[int, float] = {size: self._ms_at(size) for size in self.sizes}
        least = min(curve.values())
        return next(size for size in self.sizes if curve[size] <= least * (1.0 + GAIN))

    def _ms_at(self, size: int) -> float:
        """Return the time of a size: measured, between its measured neighbours, or in proportion to the nearest one."""
        measured = self.measured
        smaller = max((known for known in measured if known <= size), default=None)
        larger = min((known for known in measured if known >= size), default=None)
        if smaller is not None and larger is not None:
            return float(np.interp(np.log2(size), np.log2([smaller, larger]), [measured[smaller], measured[larger]]))
        nearest = smaller or larger or size
        return measured.get(nearest, _expected(nearest)) * _expected(size) / _expected(nearest)

    def __str__(self) -> str:
        measured = self.measured
        if not measured:
            return f"batches of up to {self.best}, until requests have shown the speed"
        times = ", ".join(f"{size}: {ms:.1f}" for size, ms in measured.items())
        return f"batches of up to {self.best} (ms for a token by windows in the batch {times})"


def _expected(size: int) -> float:
    return EXPECTED.get(size, min(EXPECTED.values()))
