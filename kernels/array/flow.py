"""Whether what a sequence sends is what the cores take, where the number of objects does not depend on data.

A core whose loops all have constant counts takes and gives the same number of objects on every pass. So the objects of
a sequence must be a whole number of passes, the same for each of its FIFOs, or the last pass waits for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kernels.array.program import ITEM_BYTES, Acquire, Core, Design, Loop, Sequence, Start, Statement, Tile, Word
from kernels.errors import Violation


def violations(design: Design) -> Iterator[Violation]:
    """Cores that a sequence would leave in the middle of a pass."""
    static = [(core, counts) for core in design.cores if (counts := _per_pass(core.body)) is not None]
    for sequence in design.sequences:
        objects = _objects(design, sequence)
        for core, counts in static:
            yield from _balance(sequence, core, counts, objects)


def _per_pass(body: tuple[Statement, ...]) -> Counter[str] | None:
    """Objects of each FIFO that one pass acquires; None where data decide."""
    total: Counter[str] = Counter()
    for statement in body:
        if isinstance(statement, Acquire):
            total[statement.fifo] += 1
        elif isinstance(statement, Loop):
            inner = _per_pass(statement.body)
            if inner is None or (isinstance(statement.count, Word) and inner):
                return None
            if isinstance(statement.count, int):
                total.update({fifo: times * statement.count for fifo, times in inner.items()})
    return total


def _objects(design: Design, sequence: Sequence) -> dict[str, int]:
    """Objects that the sequence moves through each FIFO, as far as shims and links tell."""
    shims = {fifo.name: fifo for fifo in design.fifos if _meets_shim((fifo.source, *fifo.targets))}
    objects = dict.fromkeys(shims, 0)
    types = dict(sequence.arguments)
    for start in sequence.steps:
        if isinstance(start, Start) and start.fifo in shims:
            sent = sum(t.length * ITEM_BYTES[types[t.argument].dtype] for t in start.transfers if t.argument in types)
            objects[start.fifo] += sent * (start.repeat + 1) // shims[start.fifo].block.nbytes
    for _ in design.links:  # as often as links can stand behind each other
        for link in design.links:
            known = next((objects[name] for name in (*link.sources, *link.targets) if name in objects), None)
            if known is not None:
                objects |= {name: known for name in (*link.sources, *link.targets) if name not in objects}
    return objects


def _meets_shim(tiles: tuple[Tile, ...]) -> bool:
    return any(tile.kind == "shim" for tile in tiles)


def _balance(sequence: Sequence, core: Core, counts: Counter[str], objects: dict[str, int]) -> Iterator[Violation]:
    passes = {fifo: objects[fifo] / times for fifo, times in counts.items() if fifo in objects and times}
    if len(set(passes.values())) > 1 or any(number % 1 for number in passes.values()):
        found = ", ".join(f"{fifo} {objects[fifo]:,} objects at {counts[fifo]} a pass" for fifo in passes)
        limit = "every FIFO of a core gets the same whole number of passes"
        yield Violation(f"sequence {sequence.name}, core {core.tile}", "flow", found, limit, "Send and take as much")
