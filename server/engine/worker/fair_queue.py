"""Whose turn it is.

Among requests of one class: self-clocked fair queueing (Golestani, 1994). Every window gets a tag when it joins the
queue: the virtual time now, or the tag of its request's window before, and one on. The lowest tag goes first and is
the virtual time from then on. So requests go round in turn, and one that comes late is not behind those that have
been there for hours.

Between the classes: urgent first, but the others get one turn in SHARE. So neither a file nor a flood of clips starves.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

SHARE = 8


class FairClock:
    """Tags for the windows of each flow. A flow is one request."""

    def __init__(self) -> None:
        self.now = 0.0
        self._last: dict[Hashable, float] = {}

    def next_tag(self, flow: Hashable) -> float:
        """The tag that the flow's next window would get."""
        return max(self.now, self._last.get(flow, 0.0)) + 1.0

    def tag(self, flow: Hashable) -> float:
        """The tag of the flow's next window; also charges a flow for a window that is computed once more."""
        tag = self._last[flow] = self.next_tag(flow)
        return tag

    def serve(self, tag: float) -> None:
        """A window with this tag is computed now."""
        self.now = max(self.now, tag)

    def forget(self, flow: Hashable) -> None:
        self._last.pop(flow, None)


class Classes:
    """Which of the two classes is next: urgent (True) or not."""

    def __init__(self) -> None:
        self._streak = 0

    @property
    def due(self) -> bool:
        """Whether the urgent have had their share for now."""
        return self._streak >= SHARE - 1

    def next(self, *, urgent: object, other: object) -> bool | None:
        """Given who waits; None where nobody does."""
        if not urgent and not other:
            return None
        return bool(urgent) and not (other and self.due)

    def serve(self, *, urgent: bool) -> None:
        self._streak = self._streak + 1 if urgent else 0


class TagQueue(Generic[T]):
    """Items of many flows, lowest tag first; those of equal tags in the order in which they came."""

    def __init__(self) -> None:
        self._items: list[tuple[float, int, Hashable, T]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._items)

    def push(self, tag: float, flow: Hashable, item: T) -> None:
        self._count += 1
        insort(self._items, (tag, self._count, flow, item), key=lambda entry: entry[:2])

    @property
    def head(self) -> tuple[float, T] | None:
        """The lowest tag and its item."""
        return (self._items[0][0], self._items[0][3]) if self._items else None

    def alike(self, key: Callable[[T], Hashable]) -> int:
        """How many items have the key of the head."""
        return sum(key(entry[3]) == key(self._items[0][3]) for entry in self._items)

    def take(self, limit: int, key: Callable[[T], Hashable]) -> list[tuple[float, T]]:
        """Remove the head and, in order, those with its key: at most ``limit`` of (tag, item)."""
        if not self._items:
            return []
        wanted = key(self._items[0][3])
        taken = [entry for entry in self._items if key(entry[3]) == wanted][:limit]
        serials = {entry[1] for entry in taken}
        self._items = [entry for entry in self._items if entry[1] not in serials]
        return [(entry[0], entry[3]) for entry in taken]

    def drop(self, flow: Hashable) -> list[T]:
        """Remove what belongs to a flow."""
        dropped = [entry[3] for entry in self._items if entry[2] == flow]
        self._items = [entry for entry in self._items if entry[2] != flow]
        return dropped
