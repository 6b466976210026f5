"""Check the links that pass objects on in memtiles, and the orders in which FIFOs send an object's elements.

mlir-aie lowers some links (AIEObjectFifoStatefulTransform.cpp, createMemTileDMA@97962964) to something else than their
text says, without a report: if objects have two sizes, both descriptors take the larger one; the length of a part is
the distance to the next offset; one of two depths is dropped; the order of a joined FIFO is applied to each part; and
strides and runs that are not whole words are cut to words (AIERT.cpp). This check refuses designs that would meet one
of these.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from kernels.array.design import Design, Link, ObjectFifo
from kernels.array.hardware import LIMITS, STATIC_DIM, WORD_BYTES, neighbours
from kernels.array.tile import ITEM_BYTES, Tile
from kernels.errors import Violation


def violations(design: Design) -> Iterator[Violation]:
    """Yield the faults of links that pass objects on wrongly, of memtile ends without a link, and of DMA orders."""
    fifos = {fifo.name: fifo for fifo in design.fifos}
    for link in design.links:
        yield from _link(link, [fifos[name] for name in link.sources], [fifos[name] for name in link.targets])
    for fifo in design.fifos:
        yield from _memtile_ends(design, fifo)
        yield from _object(fifo)
        yield from _order(fifo)
        for target in fifo.targets:
            yield from _pair(fifo, target)


def _link(link: Link, sources: Sequence[ObjectFifo], targets: Sequence[ObjectFifo]) -> Iterator[Violation]:
    where = f"link {' '.join(link.sources)} to {' '.join(link.targets)}"
    tile = targets[0].source
    if tile.kind != "memtile" or not _meet(tile, sources, targets):
        cure = "End every source, and begin every target, on one memtile"
        yield Violation(where, "link", f"a link at {tile}", "all its FIFOs meet on one memtile and nowhere else", cure)
        return
    many, whole = (sources, targets[0]) if len(sources) > 1 else (targets, sources[0])
    if len({fifo.block.dtype for fifo in (*sources, *targets)}) > 1:
        found = ", ".join(f"{fifo.name} {fifo.block}" for fifo in (*sources, *targets))
        yield Violation(where, "link", found, "objects of one type pass on", "Give all its FIFOs the same type")
    if len(many) == 1:
        yield from _forward(where, link, sources[0], targets[0])
    else:
        yield from _parts(where, link, many, whole)
    yield from _depths(where, sources, targets)


def _meet(tile: Tile, sources: Sequence[ObjectFifo], targets: Sequence[ObjectFifo]) -> bool:
    """Return whether all ``sources`` of a link end on ``tile`` and nowhere else, and all ``targets`` begin there."""
    return all(fifo.source == tile for fifo in targets) and all(fifo.targets == (tile,) for fifo in sources)


def _forward(where: str, link: Link, source: ObjectFifo, target: ObjectFifo) -> Iterator[Violation]:
    if source.block.elements != target.block.elements:
        found = f"objects of {source.block.elements:,} and of {target.block.elements:,} elements"
        limit = "both sides of a link have one size, or the DMA waits for elements that never come"
        yield Violation(where, "object size", found, limit, "Make them the same, or let the shim's transfers regroup")
    if link.offsets not in ((), (0,)):
        yield Violation(where, "offsets", f"{link.offsets}", "one to one has none", "Leave the offsets out")


def _parts(where: str, link: Link, many: Sequence[ObjectFifo], whole: ObjectFifo) -> Iterator[Violation]:
    total = sum(part.block.elements for part in many)
    if total != whole.block.elements:
        found = f"parts of {total:,} elements in all"
        limit = f"an object of {whole.name} has {whole.block.elements:,}"
        yield Violation(where, "object size", found, limit, "Make the parts add up to the object")
    expected = tuple(sum(part.block.elements for part in many[:i]) for i in range(len(many)))
    if link.offsets != expected:
        limit = f"parts follow each other in the order of the link: {expected}"
        yield Violation(where, "offsets", f"{link.offsets}", limit, "Reorder the FIFOs or correct the offsets")
    item = ITEM_BYTES[whole.block.dtype]
    if any(offset * item % WORD_BYTES for offset in link.offsets):
        limit = f"a part starts at a multiple of {WORD_BYTES} bytes"
        yield Violation(where, "offsets", f"{link.offsets} of {item} bytes", limit, "Pad the parts")
    if len(link.sources) > 1 and whole.to_stream:
        limit = "mlir-aie applies the order of a joined FIFO to each part of it"
        yield Violation(where, "order", f"{whole.name} has dims", limit, "Give the order to the parts, or to the shim")


def _depths(where: str, sources: Sequence[ObjectFifo], targets: Sequence[ObjectFifo]) -> Iterator[Violation]:
    depths = {fifo.name: fifo.depths[1] for fifo in sources} | {fifo.name: fifo.depths[0] for fifo in targets}
    if len(set(depths.values())) > 1:
        found = ", ".join(f"{name} {depth}" for name, depth in depths.items())
        limit = "a link has one pool, so mlir-aie keeps one depth and drops the others"
        yield Violation(where, "depths", found, limit, "Give both sides the same depth at the memtile")


def _memtile_ends(design: Design, fifo: ObjectFifo) -> Iterator[Violation]:
    onward = {name for link in design.links for name in link.sources}
    filled = {name for link in design.links for name in link.targets}
    where, cure = f"fifo {fifo.name}", "Link it with a FIFO on the other side"
    if any(target.kind == "memtile" for target in fifo.targets) and fifo.name not in onward:
        yield Violation(where, "link", "ends on a memtile without a link", "nothing takes its objects on", cure)
    if fifo.source.kind == "memtile" and fifo.name not in filled:
        yield Violation(where, "link", "begins on a memtile without a link", "nothing fills it", cure)


def _object(fifo: ObjectFifo) -> Iterator[Violation]:
    if fifo.block.nbytes % WORD_BYTES:
        limit = f"a DMA moves multiples of {WORD_BYTES} bytes"
        yield Violation(f"fifo {fifo.name}", "object size", f"{fifo.block.nbytes} bytes", limit, "Pad the object")


def _pair(fifo: ObjectFifo, target: Tile) -> Iterator[Violation]:
    where = f"fifo {fifo.name}"
    if neighbours(fifo.source, target):
        limit = "mlir-aie would make it one shared pool without a DMA, which this description does not know"
        yield Violation(
            where, "shared memory", f"{fifo.source} and {target} share memory", limit, "Go through a memtile"
        )
    if fifo.source.kind == target.kind == "shim":
        yield Violation(where, "ends", "from shim to shim", "no tile would see the data", "Copy on the host")


def _order(fifo: ObjectFifo) -> Iterator[Violation]:
    """Yield the faults of a FIFO's element order ``to_stream``: breaches of mlir-aie's limits and of the hardware's.

    mlir-aie's limits are in DMABDOp::verify (AIEDialect.cpp).
    """
    dims = fifo.to_stream
    if not dims:
        return
    where, item, limits = f"fifo {fifo.name}", ITEM_BYTES[fifo.block.dtype], LIMITS[fifo.source.kind]
    shown = "x".join(str(dim.size) for dim in dims)

    def broken(found: str, limit: str, cure: str) -> Violation:
        return Violation(where, "order", found, limit, cure)

    if fifo.source.kind == "shim":
        yield broken(
            "dims on a FIFO from the shim", "the transfers of a sequence say that", "Move them to the transfers"
        )
        return
    if len(dims) > limits.dims:
        limit = f"a {fifo.source.kind} has {limits.dims}"
        yield broken(f"{len(dims)} dimensions", limit, "Join dimensions, or reorder elsewhere")
    if math.prod(dim.size for dim in dims) != fifo.block.elements:
        limit = f"the object has {fifo.block.elements:,} elements, each sent once"
        yield broken(f"{shown} elements", limit, "Correct the sizes")
    last = sum((dim.size - 1) * dim.stride for dim in dims)
    if any(dim.size < 1 or dim.stride < 1 for dim in dims) or last >= fifo.block.elements:
        limit = f"sizes and strides are positive and reach at most element {fifo.block.elements - 1:,}"
        yield broken(f"up to element {last:,}", limit, "Correct the strides")
    if item < WORD_BYTES and (dims[-1].stride != 1 or dims[-1].size * item % WORD_BYTES):
        found = f"innermost {dims[-1].size} elements of {item} bytes at stride {dims[-1].stride}"
        yield broken(found, f"whole words of {WORD_BYTES} bytes, at stride 1", "Move pairs, or reorder in the kernel")
    if any(dim.stride * item % WORD_BYTES for dim in dims[:-1] if dim.size > 1):
        limit = f"strides are multiples of {WORD_BYTES} bytes"
        yield broken(f"strides of {[dim.stride for dim in dims[:-1]]} elements", limit, "Pad the rows")
    yield from _wraps(fifo)


def _wraps(fifo: ObjectFifo) -> Iterator[Violation]:
    """Yield the faults of dimensions of ``to_stream`` that are too long, or stride too far, for the DMA's counters.

    An innermost dimension counts 32-bit words, the others steps. The outermost is checked too, as aie-rt does
    (_XAieMl_DmaSetMultiDim@1ad203d).
    """
    where, item, limits = f"fifo {fifo.name}", ITEM_BYTES[fifo.block.dtype], LIMITS[fifo.source.kind]
    for depth, dim in enumerate(reversed(fifo.to_stream)):
        steps = -(-dim.size * item // WORD_BYTES) if depth == 0 else dim.size
        if dim.size > STATIC_DIM or steps > limits.wrap:
            limit = f"a {fifo.source.kind} counts to {limits.wrap} (words, in the innermost), mlir-aie to {STATIC_DIM}"
            yield Violation(where, "order", f"a dimension of {dim.size} steps", limit, "Split it in two")
        if dim.stride * item >= limits.step_words * WORD_BYTES:
            limit = f"a {fifo.source.kind} steps fewer than {limits.step_words:,} words"
            yield Violation(where, "order", f"a stride of {dim.stride} elements", limit, "Bring the data closer")
