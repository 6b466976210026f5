"""Two tasks that meet in memory without an await between them are refused, however it comes out in the simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.array.design import Link
from kernels.array.lower.shim_registers import ShimChannel
from kernels.array.lower.stream import Descriptor, ShimTask
from kernels.array.pattern import Pattern
from kernels.array.sequence import Await, Step
from kernels.array.simulate.hazards import Footprint, Hazards
from kernels.array.simulate.simulate import Simulation
from kernels.array.tile import Dim
from kernels.errors import SimulationError
from tests.kernels.array.arrays import MEMTILE, SHIM, N, design, fifo, launch, objects, receive, send


def run(*steps: Step, count: int = 4) -> None:
    fifos = (fifo("in", SHIM, MEMTILE), fifo("out", MEMTILE, SHIM))
    x = objects(count)
    launch(Simulation(design(fifos, links=(Link(("in",), ("out",)),))), *steps, x=x, y=np.zeros_like(x))


def test_reading_what_is_still_being_written_is_refused() -> None:
    first = (receive("y", "out", "y", 2 * N), send("x", "in", "x", 2 * N))
    again = (receive("z", "out", "x", N, 2 * N), send("w", "in", "y", N, N))
    run(*first, Await("y"), *again, Await("z"))
    message = r"Step 3: MM2S .* reads byte 64 of argument 1, which S2MM .* writes since step 0 with no await"
    with pytest.raises(SimulationError, match=message):
        run(*first, *again, Await("y"), Await("z"))


def test_writing_over_what_is_still_being_read_is_refused() -> None:
    with pytest.raises(SimulationError, match=r"S2MM .* writes byte 0 of argument 0, which MM2S .* reads since step 0"):
        run(send("x", "in", "x", 4 * N), receive("y", "out", "x", 4 * N), Await("y"))


def test_an_earlier_token_does_not_speak_for_a_later_task_but_a_later_one_does_for_an_earlier() -> None:
    outputs = (receive("y0", "out", "y", N), receive("y1", "out", "y", N, N), send("x", "in", "x", 2 * N))
    reads = (receive("z", "out", "x", N, 3 * N), send("w", "in", "y", N, N), Await("z"))
    with pytest.raises(SimulationError, match="Step 5: MM2S"):
        run(*outputs, Await("y0"), *reads)
    run(*outputs, Await("y0"), Await("y1"), *reads)


words = st.builds(
    lambda offset, outer, inner, stride, step: Pattern(
        offset, outer * inner, (Dim(outer, inner + stride), Dim(inner, 1)), Dim(step, 3)
    ),
    st.integers(0, 40),
    st.integers(1, 4),
    st.integers(1, 5),
    st.integers(0, 7),
    st.integers(1, 3),
)


@given(st.lists(words, min_size=1, max_size=3), st.lists(words, min_size=1, max_size=2), st.integers(1, 4))
def test_tasks_meet_where_they_touch_the_same_word(one: list[Pattern], other: list[Pattern], passes: int) -> None:
    def start(hazards: Hazards, channel: ShimChannel, chain: list[Pattern], passes: int) -> None:
        descriptors = tuple(Descriptor(bd, 0, pattern) for bd, pattern in enumerate(chain))
        hazards.start(0, ShimTask(channel, descriptors, passes - 1, False))

    def touched(chain: list[Pattern], passes: int) -> set[int]:
        return {int(word) for pattern in chain for number in range(passes) for word in pattern.indices(number)}

    hazards = Hazards()
    start(hazards, ShimChannel(0, "S2MM", 0), one, passes)
    common = touched(one, passes) & touched(other, 2)
    if common:
        with pytest.raises(SimulationError, match=f"byte {4 * min(common)} of argument 0"):
            start(hazards, ShimChannel(1, "MM2S", 0), other, 2)
    else:
        start(hazards, ShimChannel(1, "MM2S", 0), other, 2)


def test_a_long_run_is_met_behind_a_short_one_that_starts_inside_it() -> None:
    hazards = Hazards()
    chain = (Descriptor(0, 0, Pattern(0, 10)), Descriptor(1, 0, Pattern(2, 1)))
    hazards.start(0, ShimTask(ShimChannel(0, "S2MM", 0), chain, 0, True))
    with pytest.raises(SimulationError, match="byte 20 of argument 0"):
        hazards.start(1, ShimTask(ShimChannel(0, "MM2S", 0), (Descriptor(2, 0, Pattern(5, 1)),), 0, False))


def test_tasks_of_one_channel_are_in_order_by_themselves() -> None:
    run(receive("y", "out", "y", N), receive("z", "out", "y", N), send("x", "in", "x", 2 * N), Await("y"), Await("z"))


def test_different_arguments_never_meet() -> None:
    run_ = np.array([0], np.int64), np.array([8], np.int64)
    assert Footprint(0, *run_).meets(Footprint(1, *run_)) is None
    assert Footprint(0, *run_).meets(Footprint(0, *run_)) == 0
