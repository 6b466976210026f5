"""The memory that loaded models may take together: who may load, and which model is unloaded for it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

SHARE = 0.75  # of the memory of the machine or container, unless engine.memory_mb says otherwise


class Evictable(Protocol):
    """A model that takes memory and can be unloaded."""

    @property
    def last_used(self) -> float:
        """When the model last had something to do, by ``monotonic``."""

    def memory_bytes(self) -> int:
        """Bytes that the model takes, or is expected to take once it is loaded."""

    def is_idle(self) -> bool:
        """Return whether the model can be unloaded now without losing work."""

    def unload(self) -> None:
        """End the model's process. When it has ended, ``MemoryBudget.release`` is called."""


class MemoryBudget:
    """A limit in bytes for all loaded models, enforced by evicting the least recently used idle one.

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
        """True while a model waits for memory."""
        return bool(self._waiting)

    async def reserve(self, model: Evictable) -> None:
        """Wait until the model fits and count it as loaded."""
        async with self._changed:
            self._waiting.append(model)
            try:
                await self._changed.wait_for(lambda: self._waiting[0] is model and self._fits(model))
                self._loaded.append(model)
            finally:
                self._waiting.remove(model)
                self._changed.notify_all()

    def _fits(self, model: Evictable) -> bool:
        """Return whether the model fits now; if not, start to unload the least recently used idle one."""
        taken = sum(other.memory_bytes() for other in self._loaded)
        if not self._loaded or taken + model.memory_bytes() <= self.limit:
            return True
        idle = [other for other in self._loaded if other.is_idle()]
        if idle:
            min(idle, key=lambda other: other.last_used).unload()
        return False

    async def release(self, model: Evictable) -> None:
        """Give back the memory of a model whose process has ended."""
        async with self._changed:
            self._loaded.remove(model)
            self._changed.notify_all()

    async def recheck(self) -> None:
        """Look again whether a waiting model fits, because a loaded one has become idle."""
        async with self._changed:
            self._changed.notify_all()
