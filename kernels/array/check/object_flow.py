"""Check that a sequence sends as many objects as the cores take, if the cores' loops do not depend on data.

A core whose loops all have constant counts takes and gives a constant number of objects on every pass of its program.
So the objects of a sequence must make a whole number of passes, equal for all FIFOs of the core, or the last pass waits
for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kernels.array.design import Design
from kernels.array.program import Acquire, BufferWord, Core, Loop, Statement
from kernels.array.sequence import Await, Sequence, Start
from kernels.array.tile import ITEM_BYTES
from kernels.errors import Violation


def violations(design: Design) -> Iterator[Violation]:
    """Yield a violation for each sequence that stops a core inside a pass or awaits a result before its input."""
    static = [(core, counts) for core in design.cores if (counts := _per_pass(core.body)) is not None]
    if not static:
        return
    for sequence in design.sequences:
        flow = _Flow(design, sequence)
        for step in sequence.steps:
            if isinstance(step, Start):
                flow.start(step)
            elif isinstance(step, Await):
                for core, counts in static:
                    yield from flow.starved(step.task, core, counts)
        for core, counts in static:
            yield from flow.uneven(core, counts)


def _per_pass(body: tuple[Statement, ...]) -> Counter[str] | None:
    """Count the FIFO objects that one pass over a program body acquires, by name of the FIFO.

    The result is None if a loop that acquires has a count from data.
    """
    total: Counter[str] = Counter()
    for statement in body:
        if isinstance(statement, Acquire):
            total[statement.fifo] += 1
        elif isinstance(statement, Loop):
            inner = _per_pass(statement.body)
            if inner is None or (isinstance(statement.count, BufferWord) and inner):
                return None
            if isinstance(statement.count, int):
                total.update({fifo: times * statement.count for fifo, times in inner.items()})
    return total


class _Flow:
    """A counter of the objects that a sequence's tasks have moved so far through each FIFO with an end on a shim."""

    def __init__(self, design: Design, sequence: Sequence) -> None:
        self.design = design
        self.where = f"sequence {sequence.name}"
        self.types = dict(sequence.arguments)
        self.fifos = {
            fifo.name: fifo
            for fifo in design.fifos
            if any(tile.kind == "shim" for tile in (fifo.source, *fifo.targets))
        }
        self.objects = dict.fromkeys(self.fifos, 0)
        self.until: dict[str, tuple[str, int]] = {}  # task -> its FIFO, and the objects until its end

    def start(self, start: Start) -> None:
        """Count the objects (blocks of data) that a started task moves, for the task's FIFO."""
        fifo = self.fifos.get(start.fifo)
        if fifo is not None:
            known = [transfer for transfer in start.transfers if transfer.argument in self.types]
            nbytes = sum(transfer.length * ITEM_BYTES[self.types[transfer.argument].dtype] for transfer in known)
            self.objects[fifo.name] += nbytes * (start.repeat + 1) // fifo.block.nbytes
            self.until[start.task] = fifo.name, self.objects[fifo.name]

    def starved(self, task: str, core: Core, counts: Counter[str]) -> Iterator[Violation]:
        """Yield a violation if the core cannot finish an awaited task, because tasks that send its input start later.

        ``counts`` are the objects that the core acquires of each FIFO in one pass.
        """
        fifo, objects = self.until.get(task, ("", 0))
        if not fifo or self.fifos[fifo].source.kind == "shim":
            return
        wanted, sent = self._through_links({fifo: objects}), self._through_links(self.objects)
        passes = max((-(-wanted[out] // times) for out, times in counts.items() if out in wanted), default=0)
        for name, times in counts.items():
            if name in sent and name not in wanted and sent[name] < passes * times:
                found = f"await of {task} for {objects:,} objects, with {sent[name]:,} of {name} sent"
                limit = f"core {core.tile} needs {passes * times:,}"
                yield Violation(self.where, "flow", found, limit, "Start the input before the await")

    def uneven(self, core: Core, counts: Counter[str]) -> Iterator[Violation]:
        """Yield a violation if the objects of the whole sequence do not make a whole number of passes of the core.

        ``counts`` are the objects that the core acquires of each FIFO in one pass.
        """
        objects = self._through_links(self.objects)
        passes = {fifo: objects[fifo] / times for fifo, times in counts.items() if fifo in objects and times}
        if len(set(passes.values())) > 1 or any(number % 1 for number in passes.values()):
            found = ", ".join(f"{fifo} {objects[fifo]:,} objects at {counts[fifo]} a pass" for fifo in passes)
            limit = "every FIFO of a core gets the same whole number of passes"
            yield Violation(f"{self.where}, core {core.tile}", "flow", found, limit, "Send and take as much")

    def _through_links(self, known: dict[str, int]) -> dict[str, int]:
        """Return ``known`` (numbers of objects by FIFO) with the FIFOs added that a memtile links to them.

        Both sides of a link move equally many objects.
        """
        found = dict(known)
        for _ in self.design.links:  # the longest possible chain of links
            for link in self.design.links:
                names = (*link.sources, *link.targets)
                objects = next((found[name] for name in names if name in found), None)
                if objects is not None:
                    found |= {name: objects for name in names if name not in found}
        return found
