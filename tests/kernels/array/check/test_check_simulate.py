"""A sequence that check accepts runs: random sequences through a distribution, two cores and a join arrive complete."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
from hypothesis import event, given

from kernels.array.check.check import check
from kernels.array.design import Link
from kernels.array.sequence import Await, Free, Sequence, Step
from kernels.array.simulate.simulate import Simulation
from kernels.array.tile import Block
from kernels.errors import DesignError
from tests.kernels.array.arrays import (
    CORES,
    MEMTILE,
    OBJECT,
    SHIM,
    N,
    calling,
    copy,
    core,
    design,
    fifo,
    kernel,
    launch,
    receive,
    send,
)

OBJECTS, WHOLE = 24, Block("i32", 2 * N)
SPLIT = design(
    (
        fifo("in", SHIM, MEMTILE, block=WHOLE),
        *(fifo(f"in{n}", MEMTILE, CORES[n]) for n in range(2)),
        *(fifo(f"out{n}", CORES[n], MEMTILE) for n in range(2)),
        fifo("out", MEMTILE, SHIM, block=WHOLE),
    ),
    tuple(core(CORES[n], *calling("copy", f"in{n}", f"out{n}")) for n in range(2)),
    (kernel("copy", OBJECT, OBJECT),),
    (Link(("in",), ("in0", "in1"), (0, N)), Link(("out0", "out1"), ("out",), (0, N))),
)


@st.composite
def sequences(draw: st.DrawFn) -> tuple[Step, ...]:
    """Draw the steps of a launch: inputs and outputs in any order, equal in number, each output awaited later."""
    parts = draw(st.lists(st.tuples(st.sampled_from(["in", "out"]), st.integers(1, 3)), min_size=2, max_size=8))
    balance = sum(count if kind == "in" else -count for kind, count in parts)
    if balance:
        rest = ("out" if balance > 0 else "in", abs(balance))
        parts.insert(draw(st.integers(0, len(parts))), rest)
    steps: list[Step] = []
    sent: Counter[str] = Counter()
    unawaited: list[str] = []
    for number, (kind, count) in enumerate(parts):
        name, length, offset = f"t{number}", count * 2 * N, sent[kind] * 2 * N
        sent[kind] += count
        if kind == "in":
            steps.append(send(name, "in", "x", length, offset))
        else:
            steps.append(receive(name, "out", "y", length, offset))
            unawaited.append(name)
        wait = draw(st.booleans())
        if wait and unawaited:
            steps.append(Await(unawaited.pop(0)))
    inputs = [Free(f"t{number}") for number, (kind, _) in enumerate(parts) if kind == "in"]
    return (*steps, *map(Await, unawaited), *inputs)


@given(sequences())
def test_accepted_sequences_run_to_their_end(steps: tuple[Step, ...]) -> None:
    x = np.arange(OBJECTS * 2 * N, dtype=np.int32)
    block = Block("i32", x.size)
    try:
        check(replace(SPLIT, sequences=(Sequence("steps", (("x", block), ("y", block)), steps),)))
    except DesignError as error:
        event(f"refused: {error.violations[0].name}")
        return
    event("accepted")
    y = np.zeros_like(x)
    launch(Simulation(SPLIT, {"copy": copy}), *steps, x=x, y=y)
    done = sum(step.transfers[0].length for step in steps if not isinstance(step, Await | Free) and step.fifo == "out")
    assert (y[:done] == x[:done]).all()
    assert not y[done:].any()
