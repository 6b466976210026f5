"""The modelled time of a window on the encoder overlay, op by op, counted in its program and its sequence.

An op lasts as long as the slowest of: the busiest core's kernels, the streams into and out of that core, the shim
channel that drains a column, and DRAM. Nothing overlaps from one op to the next. Kernel calls and objects are counted
in the design's own core program, and bytes in its own sequence: there is no formula of a shape here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from kernels.array.design import Design
from kernels.array.sequence import Start, Step
from kernels.command import AttentionWord, MatmulWord, QuantiseWord, RowsWord
from kernels.cost.assumptions import STREAM_BYTES, Assumptions
from kernels.cost.counting import count
from kernels.cost.kernel_cycles import KernelCycles
from kernels.encoder.plan import EncoderPlan
from kernels.encoder.window_ops import OpStep, convolutions, layers, run

KINDS = {  # of op, by the word that starts its section
    MatmulWord.ROW_BLOCKS: "matmul",
    MatmulWord.ROW_BLOCKS_I8: "matmul",
    AttentionWord.QUERY_TILES: "attention",
    RowsWord.ROW_BLOCKS: "rows",
    QuantiseWord.ROW_BLOCKS: "quantise",
}


@dataclass(frozen=True, slots=True)
class OpCost:
    """The modelled milliseconds of one op: ``compute``, ``stream`` and ``dram`` overlap, ``boundary`` is added to them.

    ``kind`` is "matmul", "attention", "rows" or "quantise".
    """

    kind: str
    compute: float
    stream: float
    dram: float
    boundary: float

    @property
    def total(self) -> float:
        """The milliseconds of the whole op: the slowest of the overlapping parts, and the boundary."""
        return max(self.compute, self.stream, self.dram) + self.boundary


def window_cost(
    design: Design, plan: EncoderPlan, cycles: KernelCycles, clock_ghz: float, given: Assumptions
) -> list[OpCost]:
    """Return the modelled time of every op of a whole window, in order; ``clock_ghz`` is the array's clock."""
    ops = list(_ops(plan, list(convolutions(plan))))
    layer = list(_ops(plan, list(layers(plan, range(1)))))  # all layers move and compute the same
    costs = [_cost(design, plan, op, cycles, clock_ghz, given) for op in (*ops, *layer)]
    return costs[: len(ops)] + costs[len(ops) :] * plan.shape.layers


def _ops(plan: EncoderPlan, op_steps: list[OpStep]) -> Iterator[tuple[int, list[Step]]]:
    """Yield, for each op (such as a matmul) of ``op_steps``, the number of its command and its sequence steps."""
    steps = run(plan, op_steps)
    ends = [first for _, first in steps.ops[1:]] + [len(steps.steps)]
    for (command, first), end in zip(steps.ops, ends, strict=True):
        yield command, steps.steps[first:end]


def _cost(
    design: Design,
    plan: EncoderPlan,
    op: tuple[int, list[Step]],
    cycles: KernelCycles,
    clock_ghz: float,
    given: Assumptions,
) -> OpCost:
    words = plan.commands[op[0]]
    moved, each = _bytes(op[1]), cycles(words)
    compute = stream = 0.0
    for core in design.cores:
        counts = count(core, lambda word: int(words.get(word.index, 0)))
        fifos = {fifo.name: fifo for fifo in design.fifos if fifo.name in counts}
        kernels = sum(times * each[name] for name, times in counts.items() if name not in fifos)
        acquires = sum(counts[name] for name in fifos)
        compute = max(compute, kernels + acquires * given.acquire_cycles)
        stream = max(stream, *(counts[name] * fifo.block.nbytes / STREAM_BYTES for name, fifo in fifos.items()))
    stream = max(stream, *(nbytes / STREAM_BYTES for nbytes in moved.values()))
    return OpCost(
        kind=next(kind for word, kind in KINDS.items() if words.get(word)),
        compute=compute / clock_ghz * 1e-6,
        stream=stream / clock_ghz * 1e-6,
        dram=sum(moved.values()) / given.dram_gbs * 1e-6,
        boundary=given.boundary_ms,
    )


def _bytes(steps: list[Step]) -> Counter[str]:
    """Return the bytes that pass each shim channel, by the name of the channel's FIFO."""
    moved: Counter[str] = Counter()
    for step in steps:
        if isinstance(step, Start):
            moved[step.fifo] += 2 * (step.repeat + 1) * sum(transfer.length for transfer in step.transfers)
    return moved
