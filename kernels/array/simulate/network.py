"""The FIFOs of a design as rings in tile memories and streams between them; linked ones share their memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels.array.design import ITEM_BYTES, Design, Dim, Link, ObjectFifo, Tile
from kernels.array.hardware import WORD_BYTES
from kernels.array.pattern import Pattern
from kernels.array.simulate.fifos import Ready, Ring, Stream, memory
from kernels.errors import DesignError

Order = NDArray[np.int64]


@dataclass(slots=True)
class Network:
    """``rings`` by FIFO and tile, several where the end is the large side of a link: its parts, in stream order.

    An end at the shim has none. ``orders`` are the words of an object as the source's DMA sends them, where not as
    they lie.
    """

    ready: Ready
    rings: dict[tuple[str, Tile], tuple[Ring, ...]] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    streams: list[Stream] = field(default_factory=list)

    def groups(self, fifo: ObjectFifo) -> list[tuple[Ring, ...]]:
        """The rings that ``fifo`` fills, turn by turn: all targets of a broadcast, or part after part of a link."""
        targets = [self.rings[fifo.name, target] for target in fifo.targets]
        if len(targets) > 1 and any(len(target) > 1 for target in targets):
            raise DesignError(f"FIFO {fifo.name} is broadcast and split by a link as well.")
        return list(zip(*targets, strict=True))


def network(design: Design, ready: Ready) -> Network:
    """Rings for every end of every FIFO away from the shim, and the streams between them.

    Raises DesignError for links and patterns that are not what mlir-aie's lowering does: parts that do not lie end to
    end, a forward to objects of another size (both ends would move the larger one), a pattern that is not an object.
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
            net.streams.append(Stream(fifo.name, sources, net.groups(fifo), net.orders.get(fifo.name)))
    return net


def _link(net: Network, design: Design, link: Link) -> None:
    """One memory for both sides, as deep as the side with the larger object, and a pair of locks for each part."""
    sources, targets = [*map(design.fifo, link.sources)], [*map(design.fifo, link.targets)]
    tile = targets[0].source
    for fifo in sources:
        if tile not in fifo.targets or min(len(sources), len(targets)) > 1:
            raise DesignError(f"Link {link.sources} to {link.targets}: {fifo.name} is not handed on at {tile}.")
    large, parts = (targets[0], sources) if len(sources) > 1 else (sources[0], targets)
    depth = large.depths[0] if large is targets[0] else large.depths[1 + large.targets.index(tile)]
    slots = [memory(_words(large)) for _ in range(depth)]
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
    """The memory of the ends that no link has made."""
    for tile, depth in zip((fifo.source, *fifo.targets), fifo.depths, strict=True):
        if tile.kind != "shim" and (fifo.name, tile) not in net.rings:
            slots = [memory(_words(fifo)) for _ in range(depth)]
            net.rings[fifo.name, tile] = (Ring(f"{fifo.name} at {tile}", slots, net.ready),)


def _shared(design: Design, fifo: ObjectFifo) -> bool:
    """Whether both ends see the same memory, so that objects stay where they are (requiresDMAs@97962964)."""
    tiles = (fifo.source, *fifo.targets)
    if len(tiles) != 2 or fifo.to_stream or any(tile.kind != "core" for tile in tiles):
        return False
    linked = any(fifo.name in (*link.sources, *link.targets) for link in design.links)
    return not linked and abs(tiles[0].col - tiles[1].col) + abs(tiles[0].row - tiles[1].row) == 1


def _words(fifo: ObjectFifo) -> int:
    if fifo.block.nbytes % WORD_BYTES:
        raise DesignError(f"FIFO {fifo.name}: an object of {fifo.block.nbytes} bytes is not made of 32-bit words.")
    return fifo.block.nbytes // WORD_BYTES


def _order(fifo: ObjectFifo, words: int) -> Order:
    """The words of one object (or of one part, at a link) in the order of ``to_stream``."""
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
