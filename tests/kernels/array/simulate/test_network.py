"""Objects take the paths of FIFOs and links: forwarded, broadcast, joined, distributed, reordered."""

from __future__ import annotations

import numpy as np
import pytest

from kernels.array.design import Link
from kernels.array.program import Call, Held
from kernels.array.sequence import Await
from kernels.array.simulate.simulate import Simulation
from kernels.array.tile import Block, Dim, Tile
from tests.kernels.array.arrays import (
    COPY,
    CORES,
    LARGE,
    MEMTILE,
    OBJECT,
    QUARTERS,
    SHIM,
    Int32,
    N,
    calling,
    copier,
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


def test_a_core_passes_objects_through_in_order() -> None:
    x, y = objects(9), np.zeros((9, N), np.int32)
    done = launch(copier(), *through(9), x=x, y=y)
    np.testing.assert_array_equal(y, x)
    assert done.calls == {CORES[0]: {"copy": 9}}
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
        part
        for col in columns
        for part in (fifo(f"in{col}", Tile(col, 0), Tile(col, 2)), fifo(f"out{col}", Tile(col, 2), Tile(3 - col, 0)))
    )
    cores = tuple(core(Tile(col, 2), *calling("copy", f"in{col}", f"out{col}")) for col in columns)
    simulation = Simulation(design(fifos, cores, COPY, columns=4), {"copy": copy})
    x, y = objects(8), np.zeros((8, N), np.int32)
    starts = [receive(f"y{col}", f"out{col}", "y", 2 * N, 2 * N * col) for col in columns]
    sends = [send(f"x{col}", f"in{col}", "x", 2 * N, 2 * N * col) for col in columns]
    launch(simulation, *starts, *sends, *(Await(f"y{col}") for col in columns), x=x, y=y)
    np.testing.assert_array_equal(y, x)
