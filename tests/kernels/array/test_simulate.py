"""A simulated array does to the data what the design says: FIFOs, links, patterns, commands, state between launches."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.array.program import (
    Acquire,
    Await,
    Block,
    Buffer,
    Call,
    Dim,
    Held,
    Index,
    Link,
    Local,
    Loop,
    Release,
    Start,
    Tile,
    Transfer,
    Word,
)
from kernels.array.simulate import Simulation
from tests.kernels.array.arrays import (
    CORES,
    MEMTILE,
    OBJECT,
    SHIM,
    Int32,
    N,
    calling,
    copy,
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

COPY = (kernel("copy", OBJECT, OBJECT),)
QUARTERS = tuple(quarter * N for quarter in range(4))
LARGE = Block("i32", 4 * N)


def test_a_core_passes_objects_through_in_order() -> None:
    one = CORES[0]
    fifos = (fifo("in", SHIM, one), fifo("out", one, SHIM))
    simulation = Simulation(design(fifos, (core(one, *calling("copy", "in", "out")),), COPY), {"copy": copy})
    x, y = objects(9), np.zeros((9, N), np.int32)
    done = launch(simulation, *through(9), x=x, y=y)
    np.testing.assert_array_equal(y, x)
    assert done.calls == {one: {"copy": 9}}
    assert {str(channel): nbytes for channel, nbytes in done.bytes_moved.items()} == {
        "MM2S channel 0 of column 0": x.nbytes,
        "S2MM channel 0 of column 0": y.nbytes,
    }
    assert set(done.queue_peak.values()) == {1}
    assert done.high_water == {"in at (0, 2)": 2, "out at (0, 2)": 2}


def test_memtile_forwards_without_a_core() -> None:
    fifos = (fifo("in", SHIM, MEMTILE), fifo("out", MEMTILE, SHIM))
    simulation = Simulation(design(fifos, links=(Link(("in",), ("out",)),)))
    x, y = objects(5), np.zeros((5, N), np.int32)
    assert launch(simulation, *through(5), x=x, y=y).total_calls == {}
    np.testing.assert_array_equal(y, x)


def test_a_broadcast_reaches_every_core_and_a_join_puts_their_parts_side_by_side() -> None:
    def scale(source: Int32, target: Int32, by: int) -> None:
        target[:] = source * by

    fifos = (
        fifo("in", SHIM, MEMTILE),
        fifo("all", MEMTILE, *CORES),
        *(fifo(f"part{i}", tile, MEMTILE, depth=1) for i, tile in enumerate(CORES)),
        fifo("out", MEMTILE, SHIM, block=LARGE),
    )
    links = (Link(("in",), ("all",)), Link(tuple(f"part{i}" for i in range(4)), ("out",), QUARTERS))
    cores = tuple(
        core(tile, *holding(("all", f"part{i}"), Call("scale", (Held("all"), Held(f"part{i}"), i + 1))))
        for i, tile in enumerate(CORES)
    )
    kernels = (kernel("scale", OBJECT, OBJECT, "i32"),)
    simulation = Simulation(design(fifos, cores, kernels, links), {"scale": scale})
    x, y = objects(6), np.zeros((6, 4, N), np.int32)
    done = launch(simulation, receive("y", "out", "y", y.size), send("x", "in", "x", x.size), Await("y"), x=x, y=y)
    np.testing.assert_array_equal(y, x[:, None] * np.arange(1, 5)[None, :, None])
    assert done.total_calls == {"scale": 24}


def test_a_distribution_gives_each_core_its_part() -> None:
    fifos = (
        fifo("in", SHIM, MEMTILE, block=LARGE),
        *(fifo(f"to{i}", MEMTILE, tile) for i, tile in enumerate(CORES)),
        *(fifo(f"from{i}", tile, MEMTILE) for i, tile in enumerate(CORES)),
        fifo("out", MEMTILE, SHIM, block=LARGE),
    )
    links = (
        Link(("in",), tuple(f"to{i}" for i in range(4)), QUARTERS),
        Link(tuple(f"from{i}" for i in reversed(range(4))), ("out",), QUARTERS),
    )
    cores = tuple(core(tile, *calling("copy", f"to{i}", f"from{i}")) for i, tile in enumerate(CORES))
    simulation = Simulation(design(fifos, cores, COPY, links), {"copy": copy})
    x, y = objects(12).reshape(3, 4, N), np.zeros((3, 4, N), np.int32)
    launch(simulation, receive("y", "out", "y", y.size), send("x", "in", "x", x.size), Await("y"), x=x, y=y)
    np.testing.assert_array_equal(y, x[:, ::-1])


def test_neighbouring_cores_share_one_memory() -> None:
    first, second = CORES[:2]
    fifos = (fifo("in", SHIM, first), fifo("between", first, second, depth=1), fifo("out", second, SHIM))
    cores = (core(first, *calling("copy", "in", "between")), core(second, *calling("copy", "between", "out")))
    simulation = Simulation(design(fifos, cores, COPY), {"copy": copy})
    x, y = objects(4), np.zeros((4, N), np.int32)
    done = launch(simulation, *through(4), x=x, y=y)
    np.testing.assert_array_equal(y, x)
    assert [name for name in done.high_water if name.startswith("between")] == ["between at (0, 2)"]


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
        Loop("row", Word("words", 0), (Loop("column", Word("words", 1), inner),)),
    )
    kernels = (kernel("command", OBJECT, OBJECT), kernel("mark", OBJECT, OBJECT, "i32", "i32"))
    parts = (fifo("in", SHIM, one), fifo("out", one, SHIM))
    built = design(parts, (core(one, *body),), kernels, buffers=(Buffer("words", one, OBJECT),))
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
    buffer = Buffer("total", one, OBJECT, np.full(N, 100, np.int32))
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
        buffers=(Buffer("spare", one, OBJECT),),
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


@pytest.mark.parametrize("dims", [(Dim(4, 1), Dim(4, 4)), (Dim(2, 2), Dim(4, 4), Dim(2, 1))])
def test_a_memtile_reorders_what_it_sends(dims: tuple[Dim, ...]) -> None:
    fifos = (fifo("in", SHIM, MEMTILE), fifo("out", MEMTILE, SHIM, to_stream=dims))
    simulation = Simulation(design(fifos, links=(Link(("in",), ("out",)),)))
    x, y = objects(3), np.zeros((3, N), np.int32)
    launch(simulation, *through(3), x=x, y=y)
    order = [0]
    for dim in dims:
        order = [at + i * dim.stride for at in order for i in range(dim.size)]
    np.testing.assert_array_equal(y, x[:, order])


def test_a_pattern_of_the_memtile_applies_to_each_part_of_a_join_and_on_the_way_to_cores() -> None:
    transposed = (Dim(4, 1), Dim(4, 4))
    fifos = (
        fifo("in", SHIM, MEMTILE),
        fifo("all", MEMTILE, *CORES[:2], to_stream=transposed),
        fifo("part0", CORES[0], MEMTILE),
        fifo("part1", CORES[1], MEMTILE),
        fifo("out", MEMTILE, SHIM, block=Block("i32", 2 * N), to_stream=transposed),
    )
    links = (Link(("in",), ("all",)), Link(("part0", "part1"), ("out",), (0, N)))
    cores = tuple(core(tile, *calling("copy", "all", f"part{i}")) for i, tile in enumerate(CORES[:2]))
    simulation = Simulation(design(fifos, cores, COPY, links), {"copy": copy})
    x, y = objects(2), np.zeros((2, 2, N), np.int32)
    launch(simulation, receive("y", "out", "y", y.size), send("x", "in", "x", x.size), Await("y"), x=x, y=y)
    np.testing.assert_array_equal(y, np.stack([x, x], 1))  # transposed twice


def test_channels_of_several_columns_are_told_apart() -> None:
    columns = range(4)
    fifos = tuple(
        one
        for col in columns
        for one in (fifo(f"in{col}", Tile(col, 0), Tile(col, 2)), fifo(f"out{col}", Tile(col, 2), Tile(3 - col, 0)))
    )
    cores = tuple(core(Tile(col, 2), *calling("copy", f"in{col}", f"out{col}")) for col in columns)
    simulation = Simulation(design(fifos, cores, COPY, columns=4), {"copy": copy})
    x, y = objects(8), np.zeros((8, N), np.int32)
    starts = [receive(f"y{col}", f"out{col}", "y", 2 * N, 2 * N * col) for col in columns]
    sends = [send(f"x{col}", f"in{col}", "x", 2 * N, 2 * N * col) for col in columns]
    launch(simulation, *starts, *sends, *(Await(f"y{col}") for col in columns), x=x, y=y)
    np.testing.assert_array_equal(y, x)


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
