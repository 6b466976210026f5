"""The effects of a launch on its arguments and on the array: commands in band, patterns, state that is kept."""

from __future__ import annotations

import numpy as np

from kernels.array.design import Link, TileBuffer
from kernels.array.program import Acquire, BufferWord, Call, Held, Index, Local, Loop, Release
from kernels.array.sequence import Await, Start, Transfer
from kernels.array.simulate.simulate import Simulation
from kernels.array.tile import Dim
from tests.kernels.array.arrays import (
    CORES,
    MEMTILE,
    OBJECT,
    SHIM,
    Int32,
    N,
    core,
    design,
    fifo,
    holding,
    kernel,
    launch,
    objects,
    receive,
    send,
    through,
)


def test_a_command_in_band_says_how_often_a_core_loops() -> None:
    """The first object has the number of rows and of columns; a section of 0 rows is skipped, its columns unread."""
    one = CORES[0]

    def command(source: Int32, words: Int32) -> None:
        words[:] = source

    def mark(source: Int32, target: Int32, row: int, column: int) -> None:
        target[:] = source + 1000 * row + 100 * column

    inner = holding(("in", "out"), Call("mark", (Held("in"), Held("out"), Index("row"), Index("column"))))
    body = (
        *holding(("in",), Call("command", (Held("in"), Local("words")))),
        Loop("row", BufferWord("words", 0), (Loop("column", BufferWord("words", 1), inner),)),
    )
    kernels = (kernel("command", OBJECT, OBJECT), kernel("mark", OBJECT, OBJECT, "i32", "i32"))
    parts = (fifo("in", SHIM, one), fifo("out", one, SHIM))
    built = design(parts, (core(one, *body),), kernels, buffers=(TileBuffer("words", one, OBJECT),))
    simulation = Simulation(built, {"command": command, "mark": mark})
    for rows, columns in ((2, 3), (0, 7), (1, 1), (3, 0)):
        count = rows * columns
        x = np.vstack([np.zeros((1, N), np.int32), objects(count)])
        x[0, :2] = rows, columns
        y = np.zeros((max(count, 1), N), np.int32)
        steps = (send("x", "in", "x", x.size), *((receive("y", "out", "y", count * N), Await("y")) if count else ()))
        done = launch(simulation, *steps, x=x, y=y)
        assert done.total_calls == {"command": 1, "mark": count}
        where = np.array([1000 * row + 100 * column for row in range(rows) for column in range(columns)])
        np.testing.assert_array_equal(y[:count], objects(count) + where.reshape(-1, 1))


def test_state_stays_on_the_array_between_launches() -> None:
    """A counter in core memory, and a core that stops in the same place: nothing is loaded again."""
    one = CORES[0]

    def count(source: Int32, target: Int32, total: Int32) -> None:
        total[0] += 1
        target[:] = source + total[0]

    body = holding(("in", "out"), Call("count", (Held("in"), Held("out"), Local("total"))))
    buffer = TileBuffer("total", one, OBJECT, np.full(N, 100, np.int32))
    parts = (fifo("in", SHIM, one), fifo("out", one, SHIM))
    built = design(parts, (core(one, *body),), (kernel("count", OBJECT, OBJECT, OBJECT),), buffers=(buffer,))
    simulation = Simulation(built, {"count": count})
    seen = []
    for launches in (3, 1, 2):
        x, y = np.zeros((launches, N), np.int32), np.zeros((launches, N), np.int32)
        assert launch(simulation, *through(launches), x=x, y=y).total_calls == {"count": launches}
        seen += y[:, 0].tolist()
    assert seen == [101, 102, 103, 104, 105, 106]


def test_memory_that_nothing_stored_to_is_poison() -> None:
    one = CORES[0]

    def show(source: Int32, target: Int32, spare: Int32) -> None:
        target[:] = spare

    body = holding(("in", "out"), Call("show", (Held("in"), Held("out"), Local("spare"))))
    parts = (fifo("in", SHIM, one), fifo("out", one, SHIM))
    built = design(
        parts,
        (core(one, *body),),
        (kernel("show", OBJECT, OBJECT, OBJECT),),
        buffers=(TileBuffer("spare", one, OBJECT),),
    )
    x, y = np.zeros(N, np.int32), np.zeros(N, np.int32)
    launch(Simulation(built, {"show": show}), *through(1), x=x, y=y)
    assert np.isnan(y.view(np.float32)).all()


def forwarder() -> Simulation:
    fifos = (fifo("in", SHIM, MEMTILE), fifo("out", MEMTILE, SHIM))
    return Simulation(design(fifos, links=(Link(("in",), ("out",)),)))


def test_a_chain_repeats_as_a_whole_and_every_descriptor_steps_by_itself() -> None:
    """hi and lo blocks, taken in turn from two places that move at different speeds."""
    x, y = objects(12), np.zeros((6, N), np.int32)
    in_turn = Start(
        "x",
        "in",
        (
            Transfer("x", 0, N, (Dim(3, 2 * N), Dim(1, N), Dim(2, N // 2), Dim(N // 2, 1))),
            Transfer("x", 6 * N, N, (Dim(3, N + 4), Dim(1, N), Dim(2, N // 2), Dim(N // 2, 1))),
        ),
        repeat=2,
    )
    launch(forwarder(), receive("y", "out", "y", y.size), in_turn, Await("y"), x=x, y=y)
    flat = x.reshape(-1)
    starts = [0, 6 * N, 2 * N, 6 * N + N + 4, 4 * N, 6 * N + 2 * (N + 4)]
    np.testing.assert_array_equal(y, [flat[start : start + N] for start in starts])


def test_four_dimensions_move_the_start_from_pass_to_pass_both_ways() -> None:
    """Read 4 tiles of 4x4 of an 8x8 matrix, write each to another place, the tiles transposed."""
    x, y = np.arange(64, dtype=np.int32).reshape(8, 8), np.zeros((8, 8), np.int32)
    steps = (
        receive("y0", "out", "y", 16, 0, Dim(2, 32), Dim(1, 1), Dim(4, 8), Dim(4, 1), repeat=1),
        receive("y1", "out", "y", 16, 4, Dim(2, 32), Dim(1, 1), Dim(4, 8), Dim(4, 1), repeat=1),
        send("x0", "in", "x", 16, 0, Dim(2, 4), Dim(1, 1), Dim(4, 8), Dim(4, 1), repeat=1),
        send("x1", "in", "x", 16, 32, Dim(2, 4), Dim(1, 1), Dim(4, 8), Dim(4, 1), repeat=1),
        Await("y0"),
        Await("y1"),
    )
    done = launch(forwarder(), *steps, x=x, y=y)
    tiles = x.reshape(2, 4, 2, 4)  # row of tiles, row, column of tiles, column
    np.testing.assert_array_equal(y.reshape(2, 4, 2, 4), tiles.transpose(2, 1, 0, 3))
    assert set(done.queue_peak.values()) == {2}


def test_an_output_larger_than_a_pass_goes_on_in_the_next_one() -> None:
    """Descriptors and objects need not have the same size: the stream has no borders."""
    x, y = objects(3), np.zeros((3, N), np.int32)
    steps = (
        receive("y0", "out", "y", 20),
        receive("y1", "out", "y", 28, 20, Dim(7, 4), Dim(4, 1)),
        send("x0", "in", "x", 40),
        send("x1", "in", "x", 8, 40),
        Await("y0"),
        Await("y1"),
    )
    launch(forwarder(), *steps, x=x, y=y)
    np.testing.assert_array_equal(y, x)


def test_objects_that_end_inside_a_run_of_the_output_are_stored_across_it() -> None:
    """Objects of 16 words into runs of 5 with gaps of 3."""
    x, y = objects(5), np.zeros((16, 8), np.int32)
    steps = (receive("y", "out", "y", 80, 0, Dim(16, 8), Dim(5, 1)), send("x", "in", "x", 80), Await("y"))
    launch(forwarder(), *steps, x=x, y=y)
    np.testing.assert_array_equal(y[:, :5].reshape(-1), x.reshape(-1))
    assert not y[:, 5:].any()


def test_one_object_can_be_held_while_many_others_pass() -> None:
    """Attention's Q: kept in hand while K and V go by on another FIFO."""
    one = CORES[0]

    def add(kept: Int32, passing: Int32, target: Int32, number: int) -> None:
        target[:] = (kept if number == 0 else target) + passing

    body = (
        Acquire("out"),
        Acquire("kept"),
        Loop("k", 5, holding(("in",), Call("add", (Held("kept"), Held("in"), Held("out"), Index("k"))))),
        Release("kept"),
        Release("out"),
    )
    fifos = (fifo("kept", SHIM, one, depth=1), fifo("in", SHIM, one, depth=1), fifo("out", one, SHIM, depth=1))
    kernels = (kernel("add", OBJECT, OBJECT, OBJECT, "i32"),)
    simulation = Simulation(design(fifos, (core(one, *body),), kernels), {"add": add})
    x, kept, y = objects(10), objects(2) * 7, np.zeros((2, N), np.int32)
    steps = (
        receive("y", "out", "y", 2 * N),
        send("q", "kept", "kept", 2 * N),
        send("x", "in", "x", 10 * N),
        Await("y"),
    )
    launch(simulation, *steps, x=x, kept=kept, y=y)
    np.testing.assert_array_equal(y, kept + x.reshape(2, 5, N).sum(1))
