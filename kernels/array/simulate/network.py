"""The FIFOs of a design as rings of slots in tile memories and routes between them; linked FIFOs share their memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels.array.design import Design, Link, ObjectFifo
from kernels.array.hardware import WORD_BYTES, neighbours
from kernels.array.pattern import Pattern
from kernels.array.simulate.fifos import Ready, Ring, Route, Words, memory
from kernels.array.tile import ITEM_BYTES, Dim, Tile
from kernels.array.wiring import own_pool
from kernels.errors import DesignError

Order = NDArray[np.int64]


@dataclass(slots=True)
class Network:
    """The rings and routes that simulate a design's FIFOs.

    ``rings`` are by FIFO and tile: several if the end is the large side of a link (its parts, in stream order), none at
    the shim. ``orders`` are by FIFO: the indices of an object's words in the order in which the source's DMA sends
    them, if that is not the order in memory.
    """

    ready: Ready
    rings: dict[tuple[str, Tile], tuple[Ring, ...]] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)

    def groups(self, fifo: ObjectFifo) -> list[tuple[Ring, ...]]:
        """Return the groups of rings that ``fifo`` fills in turn; all rings of a group receive the same data.

        The group of a broadcast has a ring of every target; a link that splits objects makes one group for each part.
        Raises DesignError for a FIFO that is both broadcast and split by a link.
        """
        targets = [self.rings[fifo.name, target] for target in fifo.targets]
        if len(targets) > 1 and any(len(target) > 1 for target in targets):
            raise DesignError(f"FIFO {fifo.name} is broadcast and split by a link as well.")
        return list(zip(*targets, strict=True))


def network(design: Design, ready: Ready) -> Network:
    """Build the rings for every FIFO end away from the shim, and the routes between tiles other than the shim.

    Raises DesignError for links and patterns that mlir-aie lowers to something else than written: parts that are not
    end to end, a forward to objects of another size (both ends would move the larger one), a pattern that does not make
    one object.
    """
    net = Network(ready)
    for link in design.links:
        _link(net, design, link)
    for fifo in design.fifos:
        _ends(net, fifo)
        if _shared(design, fifo):
            net.rings[fifo.name, fifo.targets[0]] = net.rings[fifo.name, fifo.source]
            continue
        if fifo.to_stream:
            net.orders[fifo.name] = _order(fifo, len(net.rings[fifo.name, fifo.source][0].slots[0]))
        if all(tile.kind != "shim" for tile in (fifo.source, *fifo.targets)):
            sources = net.rings[fifo.name, fifo.source]
            net.routes.append(Route(fifo.name, sources, net.groups(fifo), net.orders.get(fifo.name)))
    return net


def _link(net: Network, design: Design, link: Link) -> None:
    """Add the rings of a link: one memory for both sides, and a ring for each part of the larger object.

    The memory has the depth of the side with the larger object.
    """
    sources, targets = [*map(design.fifo, link.sources)], [*map(design.fifo, link.targets)]
    tile = targets[0].source
    for fifo in sources:
        if tile not in fifo.targets or min(len(sources), len(targets)) > 1:
            raise DesignError(f"Link {link.sources} to {link.targets}: {fifo.name} is not handed on at {tile}.")
    large, parts = (targets[0], sources) if len(sources) > 1 else (sources[0], targets)
    slots = _slots(large, tile)
    starts = [offset * ITEM_BYTES[large.block.dtype] // WORD_BYTES for offset in link.offsets or (0,)]
    sizes = [*map(_words, parts)]
    if [*starts, len(slots[0])] != [sum(sizes[:i]) for i in range(len(sizes) + 1)]:
        raise DesignError(
            f"Link {link.sources} to {link.targets}: offsets {link.offsets} do not lay {len(parts)} parts end to end "
            f"in an object of {large.block}."
        )
    rings = []
    for part, start, size in zip(parts, starts, sizes, strict=True):
        rings.append(Ring(f"{part.name} at {tile}", [slot[start : start + size] for slot in slots], net.ready))
        net.rings[part.name, tile] = (rings[-1],)
    net.rings[large.name, tile] = tuple(rings)


def _ends(net: Network, fifo: ObjectFifo) -> None:
    """Add a ring of slots for each end of the FIFO, except on the shim and where a link has made one."""
    for tile in (fifo.source, *fifo.targets):
        if tile.kind != "shim" and (fifo.name, tile) not in net.rings:
            net.rings[fifo.name, tile] = (Ring(f"{fifo.name} at {tile}", _slots(fifo, tile), net.ready),)


def _slots(fifo: ObjectFifo, tile: Tile) -> list[Words]:
    """Return new memory for the objects in the pool of a FIFO's end."""
    words = _words(fifo)
    return [memory(words) for _ in range(own_pool(fifo, tile).depth)]


def _shared(design: Design, fifo: ObjectFifo) -> bool:
    """Return whether both ends of a FIFO use one memory, so that no DMA moves the objects (requiresDMAs@97962964)."""
    if len(fifo.targets) != 1 or fifo.to_stream or fifo.source.kind != "core":
        return False
    linked = any(fifo.name in (*link.sources, *link.targets) for link in design.links)
    return not linked and neighbours(fifo.source, fifo.targets[0])


def _words(fifo: ObjectFifo) -> int:
    if fifo.block.nbytes % WORD_BYTES:
        raise DesignError(f"FIFO {fifo.name}: an object of {fifo.block.nbytes} bytes is not made of 32-bit words.")
    return fifo.block.nbytes // WORD_BYTES


def _order(fifo: ObjectFifo, words: int) -> Order:
    """Return the order in which ``to_stream`` sends the words of an object (or of a part at a link): int64 indices."""
    per_word = WORD_BYTES // ITEM_BYTES[fifo.block.dtype]
    *outer, inner = fifo.to_stream
    if any(dim.stride % per_word for dim in outer) or inner.size % per_word or (per_word > 1 and inner.stride != 1):
        raise DesignError(f"FIFO {fifo.name}: {fifo.to_stream} does not move whole 32-bit words.")
    dims = (*(Dim(dim.size, dim.stride // per_word) for dim in outer), Dim(inner.size // per_word, inner.stride))
    try:
        order = Pattern(0, words, dims).indices()
    except ValueError as error:
        raise DesignError(f"FIFO {fifo.name}: {error}") from error
    if order.max() >= words:
        raise DesignError(f"FIFO {fifo.name}: {fifo.to_stream} leaves an object of {fifo.block}.")
    return order
