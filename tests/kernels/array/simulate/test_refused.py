"""The simulator refuses what would fail on the chip, with or without a report, and names the fault."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.array.design import Link
from kernels.array.lower.shim_registers import ShimChannel
from kernels.array.lower.stream import tasks
from kernels.array.lower.transaction import InstructionStream, assemble, decode
from kernels.array.program import Acquire, Call, Held, Loop, Release, Statement
from kernels.array.sequence import Await
from kernels.array.simulate.simulate import Simulation
from kernels.array.tile import Block, Dim
from kernels.errors import DesignError, SimulationError
from tests.kernels.array.arrays import (
    COPY,
    CORES,
    IN_OUT,
    MEMTILE,
    SHIM,
    Int32,
    N,
    calling,
    copier,
    core,
    design,
    fifo,
    holding,
    launch,
    objects,
    receive,
    send,
    stream,
    through,
)

ONE, TWO, THREE = CORES[:3]


def test_a_fifth_task_in_a_queue_is_refused() -> None:
    x, y = objects(5), np.zeros((5, N), np.int32)
    outputs = [receive(f"y{i}", "out", "y", N, i * N) for i in range(5)]
    awaits = [Await(f"y{i}") for i in range(5)]
    simulation = copier()
    send_all = send("x", "in", "x", 5 * N)
    done = launch(simulation, *outputs[:4], send_all, Await("y0"), outputs[4], *awaits[1:], x=x, y=y)
    np.testing.assert_array_equal(y, x)
    assert done.queue_peak[ShimChannel(0, "S2MM", 0)] == 4
    with pytest.raises(SimulationError, match="Step 4: S2MM channel 0 of column 0 has 4 tasks queued already"):
        launch(copier(), *outputs, send_all, Await("y4"), x=x, y=y)


def test_a_descriptor_written_again_while_it_is_queued_is_refused() -> None:
    """Two joined streams of one task each: the second writes BD 0 while the first still uses it."""
    x, y = objects(2), np.zeros((2, N), np.int32)
    simulation = copier()
    once = decode(stream(simulation.design, (receive("y", "out", "y", N),), {"x": x, "y": y}))
    twice = assemble(InstructionStream(once.columns, once.instructions * 2))
    assert len(tasks(decode(twice))) == 2
    with pytest.raises(SimulationError, match="Step 1: BD 0 of column 0 is written again while a task that uses it"):
        simulation.run(twice, [x.reshape(-1).view(np.uint8), y.reshape(-1).view(np.uint8)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (N - 1, "goes from byte 0 to 64 of argument 0, which has 60"),
        (3 * N + 7, "goes from byte 0 to 224 of argument 0, which has 220"),
    ],
)
def test_a_transfer_beyond_its_argument_is_refused(words: int, message: str) -> None:
    """The stream was encoded for a larger buffer than the launch has; the last pass counts."""
    simulation = copier()
    x, y = objects(4), np.zeros((3, N), np.int32)
    repeat = 0 if words < N else 2
    dims = (Dim(3, N + 4), Dim(2, 8), Dim(2, 4), Dim(4, 1)) if repeat else ()
    steps = (receive("y", "out", "y", N * (repeat + 1)), send("x", "in", "x", N, 0, *dims, repeat=repeat), Await("y"))
    data = stream(simulation.design, steps, {"x": x, "y": y})
    short = x.reshape(-1)[:words].copy()
    with pytest.raises(SimulationError, match=message):
        simulation.run(data, [short.view(np.uint8), y.reshape(-1).view(np.uint8)])


def test_arguments_are_flat_bytes_and_as_many_as_the_stream_names() -> None:
    simulation = copier()
    x = objects(1)
    data = stream(simulation.design, through(1), {"x": x, "y": x})
    with pytest.raises(ValueError, match="flat uint8 buffer, not int32"):
        simulation.run(data, [x])  # type: ignore[list-item]
    with pytest.raises(SimulationError, match="argument 1 of a launch with 1"):
        simulation.run(data, [x.reshape(-1).view(np.uint8)])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ((Acquire("in"), Acquire("in"), Release("in"), Release("in")), "in is held already"),
        ((Release("in"),), "in is not held"),
        ((Acquire("in"),), "keeps an object of in on each pass"),
        ((Loop("k", 2, (Acquire("in"),)),), "loop k keeps an object of in on each pass"),
        ((*holding(("in",)), Call("copy", (Held("in"), Held("out")))), "copy works on in, which is not held"),
        ((Loop("k", 0, calling("copy", "in", "out")),), "never waits for a FIFO"),
    ],
)
def test_programs_that_would_crash_or_spin_are_refused(body: tuple[Statement, ...], message: str) -> None:
    with pytest.raises(DesignError, match=message):
        copier(*body)


def test_a_fifo_to_a_core_without_a_program_is_refused() -> None:
    with pytest.raises(DesignError, match=r"fifo in: ends: core \(0, 2\) has no program"):
        Simulation(design(IN_OUT[:1]))


def test_links_that_the_compiler_would_get_wrong_are_refused() -> None:
    half = Block("i32", N // 2)
    parts = (fifo("p0", ONE, MEMTILE, block=half), fifo("p1", TWO, MEMTILE, block=half), fifo("out", MEMTILE, SHIM))
    cores = (core(ONE, *holding(("p0",))), core(TWO, *holding(("p1",))))
    with pytest.raises(DesignError, match="do not lay 2 parts end to end"):
        Simulation(design(parts, cores, links=(Link(("p0", "p1"), ("out",), (0, N // 4)),)))
    forward = (fifo("in", SHIM, MEMTILE, block=half), fifo("out", MEMTILE, SHIM))
    with pytest.raises(DesignError, match="end to end in an object"):
        Simulation(design(forward, links=(Link(("in",), ("out",)),)))


def test_faults_can_be_put_in_place_of_kernels() -> None:
    """Wrong data passes unchanged; an exception of a kernel ends the launch."""

    def wrong(source: Int32, target: Int32) -> None:
        target[:] = source
        target[5] ^= 1

    def broken(source: Int32, target: Int32) -> None:
        raise RuntimeError("core fault")

    x, y = objects(2), np.zeros((2, N), np.int32)
    built = design(IN_OUT, (core(ONE, *calling("copy", "in", "out")),), COPY)
    launch(Simulation(built, {"copy": wrong}), *through(2), x=x, y=y)
    assert (x != y).sum(1).tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="core fault"):
        launch(Simulation(built, {"copy": broken}), *through(2), x=x, y=y)
