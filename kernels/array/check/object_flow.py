"""Whether what a sequence sends is what the cores take, where the number of objects does not depend on data.

A core whose loops all have constant counts takes and gives the same number of objects on every pass. So the objects of
a sequence must be a whole number of passes, the same for each of its FIFOs, or the last pass waits for ever.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kernels.array.design import ITEM_BYTES, Acquire, Await, Core, Design, Loop, Sequence, Start, Statement, Word
from kernels.errors import Violation


def violations(design: Design) -> Iterator[Violation]:
    """Cores that a sequence would leave in the middle of a pass, and awaits of results whose input comes later."""
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


class _Flow:
    """Objects that a sequence has sent and asked for so far, by FIFO of the shim."""

    def __init__(self, design: Design, sequence: Sequence) -> None:
        self.design = design
        self.where = f"sequence {sequence.name}"
        self.types = dict(sequence.arguments)
        self.fifos = {f.name: f for f in design.fifos if any(t.kind == "shim" for t in (f.source, *f.targets))}
        self.objects = dict.fromkeys(self.fifos, 0)
        self.until: dict[str, tuple[str, int]] = {}  # task -> its FIFO, and the objects until its end

    def start(self, start: Start) -> None:
        """Count the objects of a task."""
        fifo = self.fifos.get(start.fifo)
        if fifo is not None:
            known = [one for one in start.transfers if one.argument in self.types]
            nbytes = sum(one.length * ITEM_BYTES[self.types[one.argument].dtype] for one in known)
            self.objects[fifo.name] += nbytes * (start.repeat + 1) // fifo.block.nbytes
            self.until[start.task] = fifo.name, self.objects[fifo.name]

    def starved(self, task: str, core: Core, counts: Counter[str]) -> Iterator[Violation]:
        """The core cannot finish what an await waits for, because the tasks with its input come after it."""
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
        """The sequence ends in the middle of a pass of the core."""
        objects = self._through_links(self.objects)
        passes = {fifo: objects[fifo] / times for fifo, times in counts.items() if fifo in objects and times}
        if len(set(passes.values())) > 1 or any(number % 1 for number in passes.values()):
            found = ", ".join(f"{fifo} {objects[fifo]:,} objects at {counts[fifo]} a pass" for fifo in passes)
            limit = "every FIFO of a core gets the same whole number of passes"
            yield Violation(f"{self.where}, core {core.tile}", "flow", found, limit, "Send and take as much")

    def _through_links(self, known: dict[str, int]) -> dict[str, int]:
        """Objects of further FIFOs, as far as links tell: both sides of a link move as many."""
        found = dict(known)
        for _ in self.design.links:  # as often as links can stand behind each other
            for link in self.design.links:
                names = (*link.sources, *link.targets)
                objects = next((found[name] for name in names if name in found), None)
                if objects is not None:
                    found |= {name: objects for name in names if name not in found}
        return found
