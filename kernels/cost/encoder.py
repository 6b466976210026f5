"""What a window costs on the encoder overlay, op by op, from its program and its sequence.

An op lasts as long as the slowest of: the busiest core's kernels, the streams into and out of it, the shim channel
that drains a column, and DRAM. Nothing overlaps from one op to the next. How often a kernel is called and an object
passes is counted in the design's own core program, and the bytes in its own sequence: no formula of a shape here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from kernels.array.design import Design, Start, Step
from kernels.cost.counting import count
from kernels.cost.cycles import Kernels
from kernels.cost.machine import STREAM_BYTES, Assumptions
from kernels.encoder import window
from kernels.encoder.command import Field
from kernels.encoder.plan import Plan
from kernels.encoder.window import convolutions, layers, run

KINDS = {
    Field.MATMUL: "matmul",
    Field.MATMUL_I8: "matmul",
    Field.ATTENTION: "attention",
    Field.ROWS: "rows",
    Field.QUANTISE: "quantise",
}


@dataclass(frozen=True, slots=True)
class OpCost:
    """One op, in milliseconds: ``compute``, ``stream`` and ``dram`` run side by side, ``boundary`` comes on top."""

    kind: str
    compute: float
    stream: float
    dram: float
    boundary: float

    @property
    def total(self) -> float:
        return max(self.compute, self.stream, self.dram) + self.boundary

    @property
    def bound_by(self) -> str:
        return max(("compute", "stream", "dram"), key=lambda part: float(getattr(self, part)))


def window_cost(design: Design, plan: Plan, cycles: Kernels, clock_ghz: float, given: Assumptions) -> list[OpCost]:
    """Every op of a whole window. ``cycles`` gives those of one call of each kernel under a command."""
    ops = list(_ops(plan, list(convolutions(plan))))
    layer = list(_ops(plan, list(layers(plan, range(1)))))  # all layers move and compute the same
    costs = [_cost(design, plan, op, cycles, clock_ghz, given) for op in (*ops, *layer)]
    return costs[: len(ops)] + costs[len(ops) :] * plan.shape.layers


def _ops(plan: Plan, some: list[window.Step]) -> Iterator[tuple[int, list[Step]]]:
    """The command's number and the steps of each op."""
    steps = run(plan, some)
    ends = [first for _, first in steps.ops[1:]] + [len(steps.steps)]
    for (command, first), end in zip(steps.ops, ends, strict=True):
        yield command, steps.steps[first:end]


def _cost(
    design: Design,
    plan: Plan,
    op: tuple[int, list[Step]],
    cycles: Kernels,
    clock_ghz: float,
    given: Assumptions,
) -> OpCost:
    words = plan.commands[op[0]]
    moved, each = _bytes(op[1]), cycles(words)
    compute = stream = 0.0
    for core in design.cores:
        counts = count(core, lambda word: int(words.get(Field(word.index), 0)))
        fifos = {fifo.name: fifo for fifo in design.fifos if fifo.name in counts}
        kernels = sum(times * each[name] for name, times in counts.items() if name not in fifos)
        acquires = sum(counts[name] for name in fifos)
        compute = max(compute, kernels + acquires * given.acquire_cycles)
        stream = max(stream, *(counts[name] * fifo.block.nbytes / STREAM_BYTES for name, fifo in fifos.items()))
    stream = max(stream, *(nbytes / STREAM_BYTES for nbytes in moved.values()))
    return OpCost(
        kind=next(kind for field, kind in KINDS.items() if words.get(field)),
        compute=compute / clock_ghz * 1e-6,
        stream=stream / clock_ghz * 1e-6,
        dram=sum(moved.values()) / given.dram_gbs * 1e-6,
        boundary=given.boundary_ms,
    )


def _bytes(steps: list[Step]) -> Counter[str]:
    """Bytes through each shim channel, by FIFO."""
    moved: Counter[str] = Counter()
    for step in steps:
        if isinstance(step, Start):
            moved[step.fifo] += 2 * (step.repeat + 1) * sum(transfer.length for transfer in step.transfers)
    return moved
