"""The simulated object FIFOs: rings of slots in a tile's memory, and the routes that carry objects between them.

mlir-aie lowers the end of a FIFO to such a ring (AIEObjectFifoStatefulTransform.cpp@97962964): ``depth`` buffers used
in turn by one writer and one reader, and two counting locks, for free and for full slots. A process that finds a lock
at 0 waits, and the other side puts it back on the ready queue: no process polls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kernels.host.buffers import buffer

Words = NDArray[np.uint32]


class Process(Protocol):
    """An active part of the simulated array: a core, a route between tiles, a shim channel, or the controller."""

    name: str

    def step(self) -> None:
        """Work until an object or a free slot is missing, and set ``reader_waits`` or ``writer_waits`` of its ring."""


Ready = deque[Process]  # the processes that can work, in order


def memory(words: int) -> Words:
    """Return new simulated tile memory: uint32 [words], aligned, all bytes 0xFF because the chip does not clear it."""
    return buffer(words, np.uint32)


class Ring:
    """The slots of one end of a FIFO, or of one part of a joined or split object, used in turn.

    One process writes the slots and one reads them. ``free`` and ``full`` are the two locks, which count slots.
    ``high_water`` is the most slots in use at once.
    """

    __slots__ = (
        "at_read",
        "at_write",
        "depth",
        "free",
        "full",
        "high_water",
        "name",
        "reader",
        "reader_waits",
        "ready",
        "slots",
        "writer",
        "writer_waits",
    )

    def __init__(self, name: str, slots: Sequence[Words], ready: Ready) -> None:
        self.name = name
        self.slots = tuple(slots)
        self.ready = ready
        self.depth = self.free = len(slots)
        self.full = self.at_read = self.at_write = self.high_water = 0
        self.reader: Process | None = None
        self.writer: Process | None = None
        self.reader_waits = self.writer_waits = False

    def fill(self) -> None:
        """Mark the slot that was just written as full, move on to the next, and wake the reader if it waits."""
        self.at_write = (self.at_write + 1) % self.depth
        self.full += 1
        used = self.depth - self.free
        if used > self.high_water:
            self.high_water = used
        if self.reader_waits:
            self.reader_waits = False
            self.ready.append(self.reader)  # type: ignore[arg-type]  # a reader that waits is set

    def empty(self) -> None:
        """Mark the slot that was just read as free, move on to the next, and wake the writer if it waits."""
        self.at_read = (self.at_read + 1) % self.depth
        self.free += 1
        if self.writer_waits:
            self.writer_waits = False
            self.ready.append(self.writer)  # type: ignore[arg-type]


class Reader:
    """The sending end of a route (the path of a FIFO between tiles): takes objects from the source's rings in turn.

    ``order`` are the indices of an object's words in the order in which the DMA sends them; None is the order in
    memory.
    """

    __slots__ = ("at", "data", "left", "order", "rings", "turn")

    def __init__(self, rings: Sequence[Ring], process: Process, order: NDArray[np.int64] | None) -> None:
        self.rings = tuple(rings)
        self.order = order
        self.turn = self.at = self.left = 0
        self.data: Words = rings[0].slots[0][:0]
        for ring in rings:
            ring.reader = process

    def ready(self) -> bool:
        """Return whether there are words to send; if not, the ring will wake the process when an object comes."""
        if self.left:
            return True
        ring = self.rings[self.turn]
        if not ring.full:
            ring.reader_waits = True
            return False
        slot = ring.slots[ring.at_read]
        self.data = slot if self.order is None else slot[self.order]
        self.at = 0
        self.left = len(slot)
        return True

    def take(self, count: int) -> Words:
        """Return the next ``count`` <= ``left`` words of the object; they are valid until ``ready`` is called again."""
        at = self.at
        words = self.data if count == len(self.data) else self.data[at : at + count]
        self.at = at + count
        self.left -= count
        return words

    def done(self) -> None:
        """Free the current slot if all of its object has been sent.

        The caller must have stored the words that ``take`` returned.
        """
        if not self.left:
            ring = self.rings[self.turn]
            ring.full -= 1
            ring.empty()
            self.turn = (self.turn + 1) % len(self.rings)


class Writer:
    """The receiving ends of a route (the path of a FIFO between tiles): fills groups of rings in turn.

    All rings of a group receive each object together, and only when all of them have a free slot.
    """

    __slots__ = ("at", "groups", "left", "turn")

    def __init__(self, groups: Sequence[Sequence[Ring]], process: Process) -> None:
        self.groups = tuple(map(tuple, groups))
        self.turn = self.at = self.left = 0
        for ring in (ring for group in groups for ring in group):
            ring.writer = process

    def ready(self) -> bool:
        """Return whether every ring of the group has a free slot; if not, the first full one wakes the process."""
        if self.left:
            return True
        group = self.groups[self.turn]
        for ring in group:
            if not ring.free:
                ring.writer_waits = True
                return False
        for ring in group:
            ring.free -= 1
        self.at = 0
        self.left = len(group[0].slots[0])
        return True

    def write(self, words: Words) -> None:
        """Store up to ``left`` words in the current slots; a slot that is complete goes to its reader."""
        group = self.groups[self.turn]
        at = self.at
        self.at = end = at + len(words)
        for ring in group:
            ring.slots[ring.at_write][at:end] = words
        self.left -= len(words)
        if not self.left:
            for ring in group:
                ring.fill()
            self.turn = (self.turn + 1) % len(self.groups)


class Route:
    """The path of one FIFO through the array, which moves objects from its source's rings to its targets'."""

    __slots__ = ("name", "reader", "writer")

    def __init__(
        self,
        name: str,
        sources: Sequence[Ring],
        targets: Sequence[Sequence[Ring]],
        order: NDArray[np.int64] | None = None,
    ) -> None:
        self.name = name
        self.reader = Reader(sources, self, order)
        self.writer = Writer(targets, self)
        sources[0].ready.append(self)

    def step(self) -> None:
        """Move words until the source has no object, or a target no free slot."""
        reader, writer = self.reader, self.writer
        while reader.ready() and writer.ready():
            writer.write(reader.take(min(reader.left, writer.left)))
            reader.done()
