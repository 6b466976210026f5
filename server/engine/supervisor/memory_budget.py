"""A limit on the memory of all loaded models together, which unloads an idle model to make room for another one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

SHARE = 0.75  # of the memory of the machine or container, unless engine.memory_mb says otherwise


class Evictable(Protocol):
    """A loaded or loading model, as the memory limit sees it: it takes memory and can be unloaded."""

    @property
    def last_used(self) -> float:
        """The time of the model's latest load, or latest arrival or end of a request, by ``monotonic``."""

    def memory_bytes(self) -> int:
        """Return the bytes that the model takes, or is expected to take once it is loaded."""

    def is_idle(self) -> bool:
        """Return True if the model can be unloaded now without losing work."""

    def unload(self) -> None:
        """Begin to end the model's process; after the end, its owner calls ``MemoryBudget.release``."""


class MemoryBudget:
    """A limit in bytes for all loaded models, enforced by unloading the least recently used idle one.

    Models are admitted in the order in which they asked, and a single model is admitted whatever it takes. While one
    waits (``contended``), the loaded models begin no new work, so a busy model cannot keep others out.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._loaded: list[Evictable] = []
        self._waiting: deque[Evictable] = deque()
        self._changed = asyncio.Condition()

    @property
    def contended(self) -> bool:
        """True while a model waits for other models to free memory, so that it can be loaded."""
        return bool(self._waiting)

    async def reserve(self, model: Evictable) -> None:
        """Wait until the model fits into the memory limit, and count it as loaded."""
        async with self._changed:
            self._waiting.append(model)
            try:
                await self._changed.wait_for(lambda: self._waiting[0] is model and self._fits(model))
                self._loaded.append(model)
            finally:
                self._waiting.remove(model)
                self._changed.notify_all()

    def _fits(self, model: Evictable) -> bool:
        """Return True if the model fits now; if not, start to unload the least recently used idle one."""
        taken = sum(other.memory_bytes() for other in self._loaded)
        if not self._loaded or taken + model.memory_bytes() <= self.limit:
            return True
        idle = [other for other in self._loaded if other.is_idle()]
        if idle:
            min(idle, key=lambda other: other.last_used).unload()
        return False

    async def release(self, model: Evictable) -> None:
        """Count the model as unloaded, after the end of its process, and admit waiting models that fit now."""
        async with self._changed:
            self._loaded.remove(model)
            self._changed.notify_all()

    async def recheck(self) -> None:
        """Try again to admit a waiting model; call this when a loaded model has become idle and could be unloaded."""
        async with self._changed:
            self._changed.notify_all()
