"""DMA channels, descriptors and locks, counted as mlir-aie assigns them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernels.array.check.check import check
from kernels.array.design import Design, KernelFunction, Link, ObjectFifo
from kernels.array.program import Call, Core, Held
from kernels.array.tile import Block, Tile
from kernels.array.wiring import Wiring
from tests.kernels.array.arrays import holding
from tests.kernels.array.designs import CORE, MEMTILE, SHIM, forward, names, seed_mel_tiles, violations

BLOCK = Block("i32", 64)


def fan(into: int, out: int, depth: int = 2) -> Design:
    """Return a design of one core with ``into`` FIFOs from the shim and ``out`` to it."""
    ins, outs = [f"i{n}" for n in range(into)], [f"o{n}" for n in range(out)]
    call = Call("run", tuple(map(Held, (*ins, *outs))))
    return Design(
        name="fan",
        columns=1,
        fifos=(
            *(ObjectFifo(name, SHIM, (CORE,), BLOCK, (depth, depth)) for name in ins),
            *(ObjectFifo(name, CORE, (SHIM,), BLOCK, (depth, depth)) for name in outs),
        ),
        links=(),
        buffers=(),
        kernels=(KernelFunction("run", (BLOCK,) * (into + out), "test/run.cc"),),
        cores=(Core(CORE, holding((*ins, *outs), call), 1_024),),
        sequences=(),
    )


def test_two_channels_each_way() -> None:
    report = check(fan(2, 2))
    assert (report.tile(0, 2).channels_in, report.tile(0, 2).channels_out) == (2, 2)
    for design, name in ((fan(3, 1), "DMA channels in"), (fan(1, 3), "DMA channels out")):
        found = [violation for violation in violations(design) if violation.name == name]
        assert [violation.where for violation in found] == ["core (0, 2)"]
    # violation direction of the shim is the other of the core
    assert {violation.where for violation in violations(fan(3, 1))} == {"core (0, 2)", "shim (0, 0)"}


def test_descriptors_of_a_core() -> None:
    """Two FIFOs in, two out: depth 4 takes all 16."""
    assert check(fan(2, 2, depth=4)).tile(0, 2).descriptors == (16,)
    assert names(fan(2, 2, depth=5)) == {"descriptors"}


def test_descriptors_of_a_memtile_by_channel() -> None:
    """A distribution to four: its input takes one for each part of each object, on an even channel here."""
    report = check(seed_mel_tiles(4, 4, depth=2))
    assert report.tile(0, 1).descriptors == (24, 8)
    (violation,) = violations(seed_mel_tiles(4, 4, depth=3))
    assert violation.found == "36 on even channels"


def test_locks_of_a_memtile() -> None:
    """A pair for each part of a joined or distributed object."""
    assert check(seed_mel_tiles(4, 4)).tile(0, 1).locks == 16


def test_locks_run_out_when_memory_and_channels_do_not() -> None:
    """No design within the channels reaches 64 locks; the count itself is what the rule sees."""
    blocks = [ObjectFifo(f"f{n}", Tile(0, 2 + n % 4), (MEMTILE,), Block("i32", 1), (1, 1)) for n in range(33)]
    whole = ObjectFifo("whole", MEMTILE, (SHIM,), Block("i32", 33), (1, 1))
    design = replace(
        forward(), fifos=(*blocks, whole), links=(Link(tuple(f.name for f in blocks), ("whole",), tuple(range(33))),)
    )
    design = replace(design, cores=(), kernels=(), sequences=())
    assert Wiring(design).locks(MEMTILE) == 66
    assert {"locks", "DMA channels in", "descriptors"} <= names(design)
    link = Link(tuple(f.name for f in blocks[:32]), ("whole",), tuple(range(32)))
    even = replace(design, fifos=(*blocks[:32], replace(whole, block=Block("i32", 32))), links=(link,))
    assert Wiring(even).locks(MEMTILE) == 64
    assert "locks" not in names(even)


@pytest.mark.parametrize(("depth", "name"), [(63, "descriptors"), (64, "lock value")])
def test_lock_values(depth: int, name: str) -> None:
    """A lock counts to 63; at that depth descriptors have long run out."""
    assert name in names(fan(1, 1, depth=depth))
    assert ("lock value" in names(fan(1, 1, depth=depth))) == (depth > 63)


def test_a_broadcast_takes_one_channel() -> None:
    cores = (CORE, Tile(0, 3))
    fifo = ObjectFifo("x", SHIM, cores, BLOCK, (2, 2, 3))
    design = Design(
        name="broadcast",
        columns=1,
        fifos=(fifo,),
        links=(),
        buffers=(),
        kernels=(KernelFunction("eat", (BLOCK,), "test/eat.cc"),),
        cores=tuple(Core(tile, holding(("x",), Call("eat", (Held("x"),))), 1_024) for tile in cores),
        sequences=(),
    )
    report = check(design)
    assert report.tile(0, 0).channels_out == 1
    assert [report.tile(0, row).descriptors for row in (2, 3)] == [(2,), (3,)]
    memory = report.tile(0, 3).map
    assert memory is not None
    assert [region.name for region in memory.regions[1:]] == [f"x_1_cons_buff_{i}" for i in range(3)]


def test_streams_that_cross_a_line() -> None:
    """Sixteen ports lead to the memtiles of four columns; one column has four."""
    report = check(seed_mel_tiles(4, 4))
    cuts = {cut.name: (cut.streams, cut.ports) for cut in report.cuts}
    assert cuts["south to row 1"] == (4, 4)
    assert cuts["north from row 1"] == (4, 6)
    assert cuts["south to row 0"] == (1, 4)
    extra = ObjectFifo("more", CORE, (SHIM,), BLOCK, (2, 2))
    design = seed_mel_tiles(4, 4)
    assert "routing" in names(replace(design, fifos=(*design.fifos, extra)))


def test_streams_to_the_side() -> None:
    """Twenty ports lead from one column to the next: four in each row but the memtile's."""
    cores = [Tile(0, row) for row in (2, 3, 4, 5)]
    fifos = tuple(ObjectFifo(f"f{n}", cores[n % 4], (Tile(1, 2 + (n + 1) % 4),), BLOCK, (1, 1)) for n in range(21))
    design = replace(forward(), columns=2, fifos=fifos, links=(), cores=(), kernels=(), sequences=())
    assert "routing" in names(design)
    assert "routing" not in names(replace(design, fifos=fifos[:20]))
