"""Check reports or refuses every design; no fault of a design makes it fail while it looks for others."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from kernels.array.check.check import check
from kernels.array.design import Design, KernelFunction, Link, ObjectFifo, TileBuffer
from kernels.array.program import Acquire, BufferWord, Call, Core, Held, Index, Local, Loop, Release
from kernels.array.sequence import Await, Free, Sequence, Start, Transfer
from kernels.array.tile import Block, Dim, Tile
from kernels.errors import DesignError

small = st.integers(-1, 4)
fifo_names, buffer_names, kernel_names = (st.sampled_from(names) for names in ("fgh", "bc", "kl"))
tiles = st.builds(Tile, st.integers(0, 1), st.integers(0, 5))
cores = st.builds(Tile, st.integers(0, 1), st.integers(2, 5))
blocks = st.builds(Block, st.sampled_from(["bf16", "i32", "i8"]), st.sampled_from([1, 2, 64, 30_000]))
dims = st.lists(st.builds(Dim, small, small), max_size=5).map(tuple)


def fifo(name: str, source: Tile, targets: list[Tile], block: Block, depth: int, order: tuple[Dim, ...]) -> ObjectFifo:
    others = tuple(dict.fromkeys(tile for tile in targets if tile != source)) or (Tile(0, 5 if source.row < 5 else 2),)
    return ObjectFifo(name, source, others, block, (depth,) * (1 + len(others)), order)


def fifos(name: str) -> st.SearchStrategy[ObjectFifo]:
    return st.builds(fifo, st.just(name), tiles, st.lists(tiles, max_size=2), blocks, st.integers(1, 3), dims)


links = st.builds(
    Link,
    st.lists(fifo_names, max_size=2).map(tuple),
    st.lists(fifo_names, max_size=2).map(tuple),
    st.lists(small, max_size=2).map(tuple),
)
arguments = st.one_of(fifo_names.map(Held), buffer_names.map(Local), st.just(Index("i")), small)
calls = st.builds(Call, kernel_names, st.lists(arguments, max_size=2).map(tuple))
simple = st.one_of(fifo_names.map(Acquire), fifo_names.map(Release), calls)
counts = st.one_of(small, st.builds(BufferWord, buffer_names, small))
bodies = st.lists(
    st.one_of(simple, st.builds(Loop, st.just("i"), counts, st.lists(simple, max_size=3).map(tuple))), max_size=5
).map(tuple)
transfers = st.builds(Transfer, st.sampled_from("xz"), small, small, dims)
tasks = st.sampled_from(["s", "t"])
steps = st.one_of(
    st.builds(Start, tasks, fifo_names, st.lists(transfers, max_size=2).map(tuple), small, st.booleans()),
    tasks.map(Await),
    tasks.map(Free),
)
sequences = st.builds(
    Sequence,
    st.just("run"),
    st.lists(st.tuples(st.sampled_from("xy"), blocks), max_size=2).map(tuple),
    st.lists(steps, max_size=5).map(tuple),
)
kernels = st.lists(st.one_of(blocks, st.just("i32")), max_size=2).map(tuple)
designs = st.builds(
    Design,
    st.just("any"),
    st.sampled_from([2, 2, 2, 4, 1, 3]),
    st.tuples(*(fifos(name) for name in "fgh")),
    st.lists(links, max_size=1).map(tuple),
    st.tuples(*(st.builds(TileBuffer, st.just(name), cores, blocks) for name in "bc")),
    st.tuples(*(st.builds(KernelFunction, st.just(name), kernels, st.just("k/k.cc")) for name in "kl")),
    st.lists(
        st.builds(Core, cores, bodies, st.sampled_from([0, 100, 1_024])), max_size=2, unique_by=lambda core: core.tile
    ).map(tuple),
    st.lists(sequences, max_size=1).map(tuple),
)


@given(designs)
def test_any_design_is_reported_or_refused(design: Design) -> None:
    try:
        report = check(design)
    except DesignError as refused:
        error: DesignError | None = refused
    else:
        error = None
        assert report.text()
    assert error is None or (error.violations and str(error))
