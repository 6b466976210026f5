"""Memory for several models at once: who may load, and who has to go for it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

SHARE = 0.75


class Tenant(Protocol):
    """A model that takes room."""

    @property
    def last_used(self) -> float:
        """When it last had something to do, by ``monotonic``."""

    def needs(self) -> int:
        """Bytes that it has taken, or is expected to take."""

    def is_idle(self) -> bool:
        """Whether it could go now without losing work."""

    def unload(self) -> None:
        """End its process; it calls ``Room.leave`` when that is done."""


class Room:
    """Models enter in the order in which they asked; the one that was used longest ago and is idle makes way.

    While somebody waits (``contended``), nobody inside begins new work: so a busy model cannot keep others out.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._inside: list[Tenant] = []
        self._line: deque[Tenant] = deque()
        self._changed = asyncio.Condition()

    @property
    def contended(self) -> bool:
        return bool(self._line)

    async def enter(self, tenant: Tenant) -> None:
        async with self._changed:
            self._line.append(tenant)
            try:
                await self._changed.wait_for(lambda: self._line[0] is tenant and self._make_way(tenant))
                self._inside.append(tenant)
            finally:
                self._line.remove(tenant)
                self._changed.notify_all()

    def _make_way(self, tenant: Tenant) -> bool:
        """Whether there is room; if not, asks one that is idle to go."""
        taken = sum(other.needs() for other in self._inside)
        if not self._inside or taken + tenant.needs() <= self.limit:
            return True
        idle = [other for other in self._inside if other.is_idle()]
        if idle:
            min(idle, key=lambda other: other.last_used).unload()
        return False

    async def leave(self, tenant: Tenant) -> None:
        """Its process has ended."""
        async with self._changed:
            self._inside.remove(tenant)
            self._changed.notify_all()

    async def look_again(self) -> None:
        """Somebody inside has become idle."""
        async with self._changed:
            self._changed.notify_all()
