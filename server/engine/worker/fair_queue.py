"""Fair turns between requests.

Requests of one class take turns by self-clocked fair queueing (Golestani, 1994). Every window gets a number, its tag,
when it joins the queue: one more than the virtual time, or than the tag of its request's window before, whichever is
later. The window with the lowest tag goes first, and its tag is the virtual time from then on. So a request that comes
late does not wait behind requests that have been there for hours.

Between the two classes, urgent requests go first, but the others get one turn in SHARE. So neither a file nor a flood
of clips starves.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

SHARE = 8


class FairClock:
    """A source of tags, the numbers by which windows are ordered so that several flows (requests) take fair turns.

    ``now`` is the virtual time: the tag of the latest window that was computed.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._last: dict[Hashable, float] = {}

    def next_tag(self, flow: Hashable) -> float:
        """Return the tag (place in the order) that the flow's next window would get, without assigning it."""
        return max(self.now, self._last.get(flow, 0.0)) + 1.0

    def tag(self, flow: Hashable) -> float:
        """Assign the flow's next window its tag (place in the order) and return it.

        A further call for a window that is computed again moves the flow's later windows back by one turn.
        """
        tag = self._last[flow] = self.next_tag(flow)
        return tag

    def serve(self, tag: float) -> None:
        """Advance the virtual time to ``tag``, that of the window which is computed now."""
        self.now = max(self.now, tag)

    def forget(self, flow: Hashable) -> None:
        """Drop the tags of a flow (request) that is over."""
        self._last.pop(flow, None)


class Classes:
    """A counter of turns between two classes of requests: while both wait, seven urgent turns to one of the others."""

    def __init__(self) -> None:
        self._streak = 0

    @property
    def due(self) -> bool:
        """True if the urgent requests have had seven turns in a row, so that the next one belongs to the others."""
        return self._streak >= SHARE - 1

    def next(self, *, urgent: object, other: object) -> bool | None:
        """Return the class of requests whose turn it is: True for urgent, False for other, None if none waits.

        Each argument is true if a request of that class waits.
        """
        if not urgent and not other:
            return None
        return bool(urgent) and not (other and self.due)

    def serve(self, *, urgent: bool) -> None:
        """Record that a request of this class, urgent or other, had its turn."""
        self._streak = self._streak + 1 if urgent else 0


class TagQueue(Generic[T]):
    """A queue of items of several flows (requests), ordered by tag, and for equal tags by arrival."""

    def __init__(self) -> None:
        self._items: list[tuple[float, int, Hashable, T]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._items)

    def push(self, tag: float, flow: Hashable, item: T) -> None:
        """Add an item of a flow with its tag, the number that gives its place in the order."""
        self._count += 1
        insort(self._items, (tag, self._count, flow, item), key=lambda entry: entry[:2])

    @property
    def head(self) -> tuple[float, T] | None:
        """The first item, with the lowest tag, as (tag, item); None if the queue is empty."""
        return (self._items[0][0], self._items[0][3]) if self._items else None

    def alike(self, key: Callable[[T], Hashable]) -> int:
        """Return the number of items whose key equals that of the first item."""
        return sum(key(entry[3]) == key(self._items[0][3]) for entry in self._items)

    def take(self, limit: int, key: Callable[[T], Hashable]) -> list[tuple[float, T]]:
        """Remove and return, as (tag, item), the first item and others of equal key, up to ``limit``, in order."""
        if not self._items:
            return []
        wanted = key(self._items[0][3])
        taken = [entry for entry in self._items if key(entry[3]) == wanted][:limit]
        serials = {entry[1] for entry in taken}
        self._items = [entry for entry in self._items if entry[1] not in serials]
        return [(entry[0], entry[3]) for entry in taken]

    def drop(self, flow: Hashable) -> list[T]:
        """Remove and return all items of a flow (request)."""
        dropped = [entry[3] for entry in self._items if entry[2] == flow]
        self._items = [entry for entry in self._items if entry[2] != flow]
        return dropped
