"""Links and stream orders: check refuses those that mlir-aie would accept and lower to something else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernels.array.check.check import check
from kernels.array.design import Design, Link, ObjectFifo
from kernels.array.tile import Block, Dim, Tile
from tests.kernels.array.designs import CORE, MEMTILE, SHIM, forward, names, seed_mel_tiles, violations


def change(design: Design, name: str, **fields: object) -> Design:
    return replace(
        design,
        fifos=tuple(replace(f, **fields) if f.name == name else f for f in design.fifos),  # type: ignore[arg-type]
    )


def test_both_sides_of_a_link_have_one_size() -> None:
    """Silent miscompile: both descriptors would take the larger size, and the memtile wait for ever."""
    design = change(forward(), "in_shim", block=Block("bf16", 64))
    assert "object size" in {
        violation.name for violation in violations(design) if violation.where == "link in_shim to in_core"
    }


def test_types_of_a_link() -> None:
    assert "link" in names(change(forward(), "in_shim", block=Block("i16", 128)))


@pytest.mark.parametrize(
    "offsets",
    [(), (0, 800), (0, 400, 400, 1_200), (0, 400, 1_200, 800), (400, 800, 1_200, 1_600), (0, 0, 0, 0)],
)
def test_offsets_lay_the_parts_end_to_end(offsets: tuple[int, ...]) -> None:
    """Overlapping, with holes, out of order or missing: the length of a part is the distance to the next offset."""
    design = seed_mel_tiles(4, 4)
    links = (replace(design.links[0], offsets=offsets), design.links[1])
    assert names(replace(design, links=links)) == {"offsets"}


def test_parts_add_up() -> None:
    design = seed_mel_tiles(4, 4)
    assert "object size" in names(change(design, "frames", block=Block("i16", 1_604)))
    assert "object size" in names(change(design, "bands", block=Block("i8", 316)))


def test_parts_start_at_words() -> None:
    """Parts of 81 bytes: neither the second part nor the object itself is whole words."""
    part, whole = Block("i8", 81), Block("i8", 324)
    design = seed_mel_tiles(4, 4)
    fifos = tuple(
        replace(f, block=whole if f.name == "bands" else part) if f.name.startswith("bands") else f
        for f in design.fifos
    )
    links = (design.links[0], replace(design.links[1], offsets=(0, 81, 162, 243)))
    assert {"offsets", "object size"} <= names(replace(design, fifos=fifos, links=links))


def test_depths_of_a_link_agree() -> None:
    """A link has one pool: mlir-aie would silently drop one of the depths 3 and 2."""
    assert names(change(forward(), "in_core", depths=(3, 2))) == {"depths"}
    check(change(forward(), "in_core", depths=(2, 3)))


def test_links_are_on_one_memtile() -> None:
    design = replace(forward(), columns=2)
    assert "link" in names(change(design, "in_shim", targets=(Tile(1, 1),)))
    through_core = replace(forward(), links=(*forward().links, Link(("in_core",), ("out_core",))))
    assert names(through_core) == {"links"}


def test_a_fifo_is_in_one_link() -> None:
    design = forward()
    assert names(replace(design, links=(*design.links, design.links[0]))) == {"links"}


def test_many_to_many() -> None:
    design = seed_mel_tiles(4, 2)
    for link in (Link(("frames0", "frames1"), ("bands0", "bands1")), Link((), ("bands0",)), Link(("frames0",), ())):
        assert names(replace(design, links=(link,))) == {"links"}


def test_memtile_ends_are_linked() -> None:
    design = forward()
    found = violations(replace(design, links=design.links[:1]))
    assert {violation.where for violation in found if violation.name == "link"} == {"fifo out_core", "fifo out_shim"}


def test_objects_are_whole_words() -> None:
    design = forward()
    fifos = tuple(replace(f, block=Block("i8", 126)) for f in design.fifos)
    assert "object size" in names(replace(design, fifos=fifos))


def test_neighbours_share_memory() -> None:
    """Two cores side by side need no DMA, and would get one pool of another depth."""
    for tile in (Tile(0, 3), Tile(0, 2)):
        fifo = ObjectFifo("near", CORE, (tile,), Block("i32", 4), (2, 2))
        found = names(replace(forward(), fifos=(*forward().fifos, fifo)))
        assert found & {"shared memory", "ends"}
    fifo = ObjectFifo("far", CORE, (Tile(0, 4),), Block("i32", 4), (2, 2))
    assert "shared memory" not in names(replace(forward(), fifos=(*forward().fifos, fifo)))


def test_shim_to_shim() -> None:
    fifo = ObjectFifo("loop", SHIM, (Tile(1, 0),), Block("i32", 4), (1, 1))
    assert names(replace(forward(), columns=2, fifos=(*forward().fifos, fifo))) == {"ends"}


ORDERS = {
    "as it lies": ((Dim(128, 1),), True),
    "columns of 8 pairs": ((Dim(8, 2), Dim(8, 16), Dim(2, 1)), True),
    "four dimensions": ((Dim(2, 64), Dim(2, 32), Dim(2, 16), Dim(16, 1)), True),
    "five": ((Dim(2, 64), Dim(2, 32), Dim(2, 16), Dim(2, 8), Dim(8, 1)), False),
    "too few elements": ((Dim(64, 1),), False),
    "too far": ((Dim(2, 128), Dim(64, 1)), False),
    "stride 0": ((Dim(2, 0), Dim(64, 1)), False),
    "single 16-bit elements": ((Dim(64, 1), Dim(2, 64)), False),
    "half words": ((Dim(128, 1), Dim(1, 1)), False),
    "every second element": ((Dim(4, 16), Dim(32, 2)), False),
    "odd strides": ((Dim(2, 63), Dim(64, 1)), False),
}


@pytest.mark.parametrize(("order", "fine"), ORDERS.values(), ids=ORDERS.keys())
def test_stream_orders(order: tuple[Dim, ...], fine: bool) -> None:
    design = change(forward(), "in_core", to_stream=order)
    if fine:
        check(design)
    else:
        assert names(design) == {"order"}


def test_a_core_has_three_dimensions_and_255_steps() -> None:
    four = (Dim(2, 64), Dim(2, 32), Dim(2, 16), Dim(16, 1))
    assert names(change(forward(), "out_core", to_stream=four)) == {"order"}

    def wide(order: tuple[Dim, ...], elements: int = 1_200) -> Design:
        design, block = forward(), Block("i32", elements)
        fifos = tuple(replace(f, block=block) for f in design.fifos)
        kernels = (replace(design.kernels[0], args=(block, block)),)
        sized = replace(design, fifos=fifos, kernels=kernels, sequences=())
        return change(sized, "out_core", to_stream=order)

    check(wide((Dim(5, 240), Dim(240, 1))))
    assert names(wide((Dim(4, 300), Dim(300, 1)))) == {"order"}  # 300 words in the innermost
    check(wide((Dim(250, 4), Dim(2, 2), Dim(2, 1)), 1_000))
    assert names(wide((Dim(300, 4), Dim(2, 2), Dim(2, 1)))) == {"order"}  # the outermost too
    assert names(wide((Dim(2, 600), Dim(300, 2), Dim(2, 1)))) == {"order"}
    assert names(wide((Dim(600, 2), Dim(2, 1)))) == {"order"}  # mlir-aie stops at 512
    assert MEMTILE.kind == "memtile"


def test_strides_of_an_order() -> None:
    """A core steps fewer than 8,192 words, a memtile 16 times as many."""

    def far(name: str, stride: int) -> set[str]:
        block = Block("i32", 2 * stride)
        fifos = tuple(replace(fifo, block=block) for fifo in forward().fifos)
        order = (Dim(2, stride), Dim(stride // 128, 128), Dim(128, 1))
        return names(change(replace(forward(), fifos=fifos), name, to_stream=order))

    assert "order" not in far("in_core", 8_192)
    assert "order" in far("out_core", 8_192)
    assert "order" not in far("out_core", 8_064)


def test_an_order_belongs_to_the_source_of_parts() -> None:
    """On a joined FIFO mlir-aie would apply the order to each part; from the shim the transfers give the order."""
    design = seed_mel_tiles(4, 4)
    assert "order" in names(change(design, "bands", to_stream=(Dim(2, 4), Dim(40, 8), Dim(4, 1))))
    assert names(change(forward(), "in_shim", to_stream=(Dim(128, 1),))) == {"order"}
