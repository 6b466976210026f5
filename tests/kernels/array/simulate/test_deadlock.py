"""A launch that cannot go on says which part waits for which, and what is left over."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from kernels.array.design import Design, Link, ObjectFifo
from kernels.array.program import Acquire, Call, Held, Loop, Release
from kernels.array.sequence import Await
from kernels.array.simulate.simulate import Simulation
from kernels.array.tile import Block, Tile
from kernels.errors import DeadlockError, SimulationError
from tests.kernels.array.arrays import (
    COPY,
    CORES,
    MEMTILE,
    OBJECT,
    SHIM,
    N,
    calling,
    copier,
    copy,
    core,
    design,
    fifo,
    holding,
    launch,
    objects,
    receive,
    send,
    through,
)

ONE, TWO, THREE = CORES[:3]


def test_too_little_input_names_the_channel_that_has_no_more() -> None:
    x, y = objects(3), np.zeros((4, N), np.int32)
    with pytest.raises(DeadlockError) as stuck:
        launch(
            copier(),
            receive("y", "out", "y", 4 * N),
            send("x", "in", "x", 3 * N - 4),
            Await("y"),
            x=x,
            y=y,
        )
    awaits, output, one = stuck.value.waits
    assert awaits.startswith("step 2 of the instruction stream waits for a token of S2MM channel 0 of column 0")
    assert "waits for an object of out at (0, 2) (0 of 2 full) from core (0, 2) at Acquire(fifo='in')" in output
    assert "from MM2S channel 0 of column 0 (no task, 16 B of an object to go)" in one
    np.testing.assert_array_equal(y[:2], x[:2])  # what came before it had passed
    assert str(stuck.value).count("\n") == 3
    assert str(pickle.loads(pickle.dumps(stuck.value))) == str(stuck.value)  # noqa: S301  # our own bytes


def test_a_missing_partner_holds_up_everyone_behind_it() -> None:
    """One of four receivers of a broadcast waits for a core that gets no input: all or none, so nobody gets more."""
    fifos = (
        fifo("in", SHIM, MEMTILE),
        fifo("all", MEMTILE, *CORES),
        *(fifo(f"part{i}", tile, MEMTILE) for i, tile in enumerate(CORES)),
        fifo("out", MEMTILE, SHIM, block=Block("i32", 4 * N)),
        fifo("idle", Tile(1, 0), Tile(1, 4)),
        fifo("never", Tile(1, 4), CORES[2]),
    )
    parts = tuple(f"part{i}" for i in range(4))
    links = (Link(("in",), ("all",)), Link(parts, ("out",), tuple(i * N for i in range(4))))
    bodies = [calling("copy", "all", part) for part in parts]
    bodies[2] = (*bodies[2], *holding(("never",)))
    cores = tuple(core(tile, *body) for tile, body in zip(CORES, bodies, strict=True))
    cores = (*cores, core(Tile(1, 4), *calling("copy", "idle", "never")))
    simulation = Simulation(design(fifos, cores, COPY, links, columns=2), {"copy": copy})
    x, y = objects(8), np.zeros((8, 4 * N), np.int32)
    with pytest.raises(DeadlockError) as stuck:
        launch(simulation, receive("y", "out", "y", y.size), send("x", "in", "x", x.size), Await("y"), x=x, y=y)
    waits = stuck.value.waits
    held_up = "which is emptied by core (0, 4) at Acquire(fifo='never')"
    assert any(line.startswith("MM2S channel 0 of column 0") and held_up in line for line in waits)
    blamed = "an object of never at (1, 4) (0 of 2 full) from core (1, 4) at Acquire(fifo='idle')"
    assert any(line.startswith("core (0, 4)") and line.endswith(blamed) for line in waits)
    assert any(line.endswith("from MM2S channel 0 of column 1 (no task)") for line in waits)
    assert simulation.network.rings["all", CORES[0]][0].high_water == 2


def test_a_wrong_count_in_a_loop_names_the_pass() -> None:
    body = (Acquire("out"), Loop("k", 3, holding(("in",), Call("copy", (Held("in"), Held("out"))))), Release("out"))
    x, y = objects(5), np.zeros((2, N), np.int32)
    with pytest.raises(DeadlockError, match=r"core \(0, 2\) at Acquire\(fifo='in'\), k 3 of 3: waits for an object"):
        launch(copier(*body), receive("y", "out", "y", 2 * N), send("x", "in", "x", 5 * N), Await("y"), x=x, y=y)


def circle(depth: int) -> Simulation:
    """Return a simulation of two cores that send objects to each other in a circle.

    ``ONE`` sends three objects by "there" before it takes three from "back"; ``TWO`` answers each of "there" at once.
    """
    fifos = (
        fifo("in", SHIM, ONE, depth=1),
        fifo("there", ONE, TWO, depth=depth),
        fifo("back", TWO, ONE, depth=1),
        fifo("out", ONE, SHIM, depth=1),
    )
    ask = calling("copy", "in", "there")
    first = (*ask, *ask, *ask, *(calling("copy", "back", "out") * 3))
    cores = (core(ONE, *first), core(TWO, *calling("copy", "there", "back")))
    return Simulation(design(fifos, cores, COPY), {"copy": copy})


def test_a_fifo_too_shallow_for_what_is_under_way_deadlocks_in_a_circle() -> None:
    x, y = objects(3), np.zeros((3, N), np.int32)
    launch(circle(depth=2), *through(3), x=x, y=y)
    np.testing.assert_array_equal(y, x)
    with pytest.raises(DeadlockError, match=r"in a circle: core \(0, [23]\) -> core \(0, [32]\) -> core") as stuck:
        launch(circle(depth=1), *through(3), x=x, y=y)
    assert any("waits for room in there at (0, 2) (0 of 1 free)" in line for line in stuck.value.waits)


def test_an_object_that_is_held_is_not_free() -> None:
    """A core that keeps its only object of a FIFO while it waits for the next on another, sent behind it."""

    def keep(depth: int) -> Simulation:
        fifos = (
            fifo("in", SHIM, MEMTILE),
            fifo("a", MEMTILE, ONE, TWO, depth=depth),
            fifo("out", ONE, SHIM),
            fifo("token", TWO, ONE, depth=1),
        )
        links = (Link(("in",), ("a",)),)
        first = (Acquire("a"), Acquire("token"), Release("token"), Release("a"), *calling("copy", "a", "out"))
        second = (Acquire("a"), Release("a"), *calling("copy", "a", "token"))
        return Simulation(design(fifos, (core(ONE, *first), core(TWO, *second)), COPY, links), {"copy": copy})

    x, y = objects(2), np.zeros((1, N), np.int32)
    steps = (receive("y", "out", "y", N), send("x", "in", "x", 2 * N), Await("y"))
    launch(keep(depth=2), *steps, x=x, y=y)
    np.testing.assert_array_equal(y, x[1:])
    with pytest.raises(DeadlockError, match=r"core \(0, 3\) .*Acquire\(fifo='a'\)"):
        launch(keep(depth=1), *steps, x=x, y=y)


def test_objects_left_over_are_an_error_and_the_overlay_then_hangs() -> None:
    simulation = copier()
    x, y = objects(3), np.zeros((3, N), np.int32)
    with pytest.raises(DeadlockError, match="something is left over") as left:
        launch(simulation, receive("y", "out", "y", 2 * N), send("x", "in", "x", 3 * N), Await("y"), x=x, y=y)
    assert left.value.waits == ("out at (0, 2): 1 of 2 objects full, not taken",)
    with pytest.raises(SimulationError, match="hangs since an earlier launch"):
        launch(simulation, *through(1), x=x, y=y)


def test_an_object_moved_in_part_is_left_over() -> None:
    simulation = copier()
    x, y = objects(1), np.zeros((1, N), np.int32)
    with pytest.raises(DeadlockError) as left:
        launch(simulation, receive("y", "out", "y", 4), send("x", "in", "x", N), Await("y"), x=x, y=y)
    assert left.value.waits == (
        "S2MM channel 0 of column 0 (no task, 48 B of an object to go)",
        "out at (0, 2): 1 of 2 objects full, not taken",
    )
    with pytest.raises(DeadlockError) as left:
        launch(copier(), send("x", "in", "x", 4), x=x, y=y)
    assert left.value.waits == ("MM2S channel 0 of column 0 (no task, 48 B of an object to go)",)


def test_a_core_inside_its_program_and_a_task_without_data_are_left_over() -> None:
    simulation = copier(*calling("copy", "in", "out"), *calling("copy", "in", "out"))
    x, y = objects(3), np.zeros((3, N), np.int32)
    with pytest.raises(DeadlockError) as left:
        launch(
            simulation,
            receive("y", "out", "y", N),
            send("x", "in", "x", N),
            Await("y"),
            receive("z", "out", "y", N, N),
            x=x,
            y=y,
        )
    queued, unknown, inside = left.value.waits
    assert unknown == "S2MM channel 0 of column 0: nobody awaits the task of step 3"
    assert queued == "S2MM channel 0 of column 0 (1 task queued, in front that of BD 0 with 64 B of a pass to go)"
    assert inside == "core (0, 2) at Acquire(fifo='in')"


def test_an_input_that_nobody_awaits_still_arrives_but_an_output_must_be_awaited() -> None:
    """The launch ends when everything is at rest; on the chip it ends with the stream, and the host reads too early."""
    steps = (receive("y", "out", "y", 5 * N), send("x", "in", "x", 5 * N))
    x, y = objects(5), np.zeros((5, N), np.int32)
    with pytest.raises(DeadlockError) as left:
        launch(copier(), *steps, x=x, y=y)
    assert left.value.waits == ("S2MM channel 0 of column 0: nobody awaits the task of step 0",)
    np.testing.assert_array_equal(y, x)


def test_an_await_takes_one_token_of_two() -> None:
    """The second output is on its way when it is awaited; what reads it then must not come first."""
    x, y = objects(4), np.zeros((4, N), np.int32)
    steps = (
        *(receive("y0", "out", "y", N), receive("y1", "out", "y", N, N), send("x0", "in", "x", N), Await("y0")),
        *(send("x1", "in", "x", N, N), Await("y1")),
        *(receive("z", "out", "y", N, 3 * N), send("w", "in", "y", N, N), Await("z")),
    )
    launch(copier(), *steps, x=x, y=y)
    np.testing.assert_array_equal(y[[0, 1, 3]], x[[0, 1, 1]])


def left_over(of: Design, count: int) -> tuple[str, ...]:
    """Return the waits that the deadlock names after a launch that sends ``count`` objects of x and takes none out."""
    with pytest.raises(DeadlockError) as left:
        launch(Simulation(of, {"copy": copy}), send("x", "in", "x", count * N), x=objects(count))
    return left.value.waits


def test_each_end_of_a_fifo_holds_as_many_objects_as_its_depth() -> None:
    between = ObjectFifo("between", ONE, (THREE,), OBJECT, (1, 3))
    fifos = (fifo("in", SHIM, ONE, depth=1), between, fifo("idle", SHIM, THREE))
    cores = (core(ONE, *calling("copy", "in", "between")), core(THREE, *holding(("idle",)), *holding(("between",))))
    assert left_over(design(fifos, cores, COPY), 4) == (
        "between at (0, 2): 1 of 1 objects full, not taken",
        "between at (0, 4): 3 of 3 objects full, not taken",
    )


def test_a_forward_has_one_pool_as_deep_as_the_end_that_comes_in() -> None:
    fifos = (ObjectFifo("in", SHIM, (MEMTILE,), OBJECT, (1, 3)), ObjectFifo("out", MEMTILE, (SHIM,), OBJECT, (7, 1)))
    assert left_over(design(fifos, links=(Link(("in",), ("out",)),)), 3) == (
        "out at (0, 1): 3 of 3 objects full, not taken",
    )


@pytest.mark.parametrize("depth", [2, 3])
def test_a_join_has_one_pool_as_deep_as_the_end_that_goes_out(depth: int) -> None:
    parts = tuple(ObjectFifo(f"p{i}", tile, (MEMTILE,), OBJECT, (1, 7)) for i, tile in enumerate((ONE, TWO)))
    out = ObjectFifo("out", MEMTILE, (SHIM,), Block("i32", 2 * N), (depth, 1))
    cores = tuple(core(tile, *calling("copy", "in", f"p{i}")) for i, tile in enumerate((ONE, TWO)))
    built = design((fifo("in", SHIM, ONE, TWO), *parts, out), cores, COPY, (Link(("p0", "p1"), ("out",), (0, N)),))
    full = {line for line in left_over(built, depth + 1) if "at (0, 1)" in line}
    assert full == {f"p{i} at (0, 1): {depth} of {depth} objects full, not taken" for i in range(2)}
