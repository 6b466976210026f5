"""The hardware resources of a design's FIFOs on each tile: DMA channels, descriptors, locks, memory for objects.

mlir-aie lowers FIFOs so (AIEObjectFifoStatefulTransform.cpp@97962964): a FIFO takes an "out" channel of its source and
an "in" channel of each target, in the order of declaration; a core or memtile end has one pool of ``depth`` objects,
two locks, and a descriptor for each object; the two sides of a link share one pool. A shim end has locks but no pool:
its descriptors come with the instruction stream.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from kernels.array.design import Design, Link, ObjectFifo
from kernels.array.hardware import LIMITS, MAX_LOCK_VALUE, MEMTILE_CHANNEL_DESCRIPTORS, TileDirection
from kernels.array.tile import Block, Tile
from kernels.errors import Violation


@dataclass(frozen=True, slots=True)
class Pool:
    """The memory of one end of a FIFO: ``depth`` objects of type ``block`` on ``tile``.

    If a link joins or distributes the objects, each consists of ``parts`` parts that move separately.
    """

    name: str
    tile: Tile
    block: Block
    depth: int
    parts: int = 1

    @property
    def objects(self) -> tuple[str, ...]:
        """The names that mlir-aie gives the buffers of the pool's objects."""
        return tuple(f"{self.name}_{i}" for i in range(self.depth))

    @property
    def locks(self) -> int:
        """The number of locks that guard the pool: two, for free and for full objects, for each part of an object."""
        return 2 * self.parts


@dataclass(frozen=True, slots=True)
class End:
    """One end of a FIFO, on ``tile``: its DMA channel, the number of its descriptors, and its pool of objects.

    ``direction`` is as seen from the tile; ``pool`` is None on a shim.
    """

    fifo: ObjectFifo
    tile: Tile
    direction: TileDirection
    channel: int
    descriptors: int
    pool: Pool | None


class Wiring:
    """An index of all FIFO ends of a design by tile, with channel numbers and pools as mlir-aie assigns them."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self._fifos = {fifo.name: fifo for fifo in design.fifos}
        self._as_source = {name: link for link in design.links for name in link.sources}
        self._as_target = {name: link for link in design.links for name in link.targets}
        self._ends: dict[Tile, list[End]] = {}
        for fifo in design.fifos:
            for tile in (fifo.source, *fifo.targets):
                self._ends.setdefault(tile, []).append(self._end(fifo, tile))

    def at(self, tile: Tile) -> tuple[End, ...]:
        """Return the FIFO ends on one tile, in order of declaration of the FIFOs."""
        return tuple(self._ends.get(tile, ()))

    def pools(self, tile: Tile) -> tuple[Pool, ...]:
        """Return the pools of FIFO objects on one tile, without duplicates, in order of declaration of the FIFOs."""
        return tuple(dict.fromkeys(end.pool for end in self.at(tile) if end.pool is not None))

    def locks(self, tile: Tile) -> int:
        """Return the number of locks that one tile's FIFOs take: those of its pools, and a pair for each shim end."""
        shim_ends = sum(end.pool is None for end in self.at(tile))
        return sum(pool.locks for pool in self.pools(tile)) + 2 * shim_ends

    def link(self, fifo: ObjectFifo, tile: Tile) -> Link | None:
        """Return the link that passes on the objects of this FIFO at ``tile``, or None if there is none."""
        if tile.kind != "memtile":
            return None
        return (self._as_target if tile == fifo.source else self._as_source).get(fifo.name)

    def _end(self, fifo: ObjectFifo, tile: Tile) -> End:
        direction: TileDirection = "out" if tile == fifo.source else "in"
        channel = sum(end.direction == direction for end in self._ends.get(tile, ()))
        if tile.kind == "shim":
            return End(fifo, tile, direction, channel, 0, None)
        link = self.link(fifo, tile)
        if link is None:
            pool, parts = own_pool(fifo, tile), 1
        else:
            pool, parts = self._shared(link, tile), len(link.sources if direction == "out" else link.targets)
        return End(fifo, tile, direction, channel, pool.depth * parts, pool)

    def _shared(self, link: Link, tile: Tile) -> Pool:
        """Return the one pool of a link's two sides: that of the larger object, or the incoming if equal."""
        incoming, outgoing = self._fifos[link.sources[0]], self._fifos[link.targets[0]]
        one_to_one = len(link.sources) == len(link.targets) == 1
        if len(link.sources) > 1 or (one_to_one and incoming.block.elements < outgoing.block.elements):
            return own_pool(outgoing, outgoing.source, len(link.sources))
        return own_pool(incoming, tile if tile in incoming.targets else incoming.targets[0], len(link.targets))


def own_pool(fifo: ObjectFifo, tile: Tile, parts: int = 1) -> Pool:
    """Return the pool of a FIFO's end on a core or memtile, with the depth and block that the FIFO itself names.

    The two sides of a link share one of their two pools; ``Wiring`` chooses which.
    """
    if tile == fifo.source:
        return Pool(f"{fifo.name}_buff", tile, fifo.block, fifo.depths[0], parts)
    number = fifo.targets.index(tile)
    name = f"{fifo.name}_cons_buff" if len(fifo.targets) == 1 else f"{fifo.name}_{number}_cons_buff"
    return Pool(name, tile, fifo.block, fifo.depths[1 + number], parts)


def violations(wiring: Wiring) -> Iterator[Violation]:
    """Yield a violation for each tile that lacks channels, descriptors or locks, or needs too high a lock value."""
    for tile in wiring.design.tiles():
        ends = wiring.at(tile)
        yield from _channels(tile, ends)
        yield from _descriptors(tile, ends)
        used, available = wiring.locks(tile), LIMITS[tile.kind].locks
        if used > available:
            limit = f"a {tile.kind} has {available}"
            yield Violation(f"{tile.kind} {tile}", "locks", f"{used} locks", limit, "End fewer FIFOs here")
        for pool in wiring.pools(tile):
            if pool.depth > MAX_LOCK_VALUE:
                where, limit = f"{tile.kind} {tile}", f"a lock counts to {MAX_LOCK_VALUE}"
                yield Violation(where, "lock value", f"{pool.name} of depth {pool.depth}", limit, "Lower the depth")


def _channels(tile: Tile, ends: tuple[End, ...]) -> Iterator[Violation]:
    available = LIMITS[tile.kind].channels
    for direction in ("in", "out"):
        used = [end.fifo.name for end in ends if end.direction == direction]
        if len(used) > available:
            found = f"{len(used)} FIFOs {'end' if direction == 'in' else 'begin'} here ({', '.join(used)})"
            limit = f"a {tile.kind} has {available} DMA channels {direction}"
            cure = "Join or distribute through the memtile, or send in band on a FIFO that is there"
            yield Violation(f"{tile.kind} {tile}", f"DMA channels {direction}", found, limit, cure)


def _descriptors(tile: Tile, ends: tuple[End, ...]) -> Iterator[Violation]:
    where, cure = f"{tile.kind} {tile}", "Lower the depths, or split fewer objects"
    if tile.kind != "memtile":
        used, available = sum(end.descriptors for end in ends), LIMITS[tile.kind].descriptors
        if used > available:
            yield Violation(where, "descriptors", f"{used} buffer descriptors", f"it has {available}", cure)
        return
    by_parity = Counter[int]()
    for end in ends:
        by_parity[end.channel % 2] += end.descriptors
    for parity, name in enumerate(("even", "odd")):
        if by_parity[parity] > MEMTILE_CHANNEL_DESCRIPTORS:
            limit = f"{MEMTILE_CHANNEL_DESCRIPTORS} serve the {name} channels of a memtile"
            yield Violation(where, "descriptors", f"{by_parity[parity]} on {name} channels", limit, cure)
