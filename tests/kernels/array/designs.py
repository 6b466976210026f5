"""Small designs for tests of ``check``: the first mel kernel, matrix products of several sizes, a plain copy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernels.array.check.check import check
from kernels.array.design import Design, KernelFunction, Link, ObjectFifo, TileBuffer
from kernels.array.program import BufferWord, Call, Core, Held, Local, Loop
from kernels.array.sequence import Await, Free, Sequence, Start, Transfer
from kernels.array.tile import Block, Tile
from kernels.errors import DesignError, Violation
from tests.kernels.array.arrays import holding

SHIM, MEMTILE, CORE = Tile(0, 0), Tile(0, 1), Tile(0, 2)
FRAME, BANDS = 400, 80  # int16 samples in and int8 bands out of a frame: 800 and 80 bytes


def violations(design: Design) -> tuple[Violation, ...]:
    """Return the violations that ``check`` finds; at least one."""
    with pytest.raises(DesignError) as caught:
        check(design)
    return caught.value.violations


def names(design: Design) -> set[str]:
    return {violation.name for violation in violations(design)}


def there_and_back(into: str, out: str, sent: int, got: int) -> tuple[Start | Await | Free, ...]:
    """Return the steps that send all of x through ``into`` and receive all of y from ``out``."""
    return (
        Start("result", out, (Transfer("y", 0, got),), token=True),
        Start("input", into, (Transfer("x", 0, sent),)),
        Await("result"),
        Free("input"),
    )


def one_tile(source: Block, result: Block, depth: int, tables: tuple[Block, ...], stack: int) -> Design:
    """Return a design of one core between two FIFOs of the shim, with ``tables`` in the core's memory.

    The sequence moves one object each way. The kernel is scalar C: its pointers need no more than a word.
    """
    buffers = tuple(TileBuffer(f"table{i}", CORE, block) for i, block in enumerate(tables))
    call = Call("mel", (Held("source"), Held("result"), *(Local(buffer.name) for buffer in buffers)))
    steps = there_and_back("source", "result", source.elements, result.elements)
    return Design(
        name="one_tile",
        columns=1,
        fifos=(
            ObjectFifo("source", SHIM, (CORE,), source, (depth, depth)),
            ObjectFifo("result", CORE, (SHIM,), result, (depth, depth)),
        ),
        links=(),
        buffers=buffers,
        kernels=(KernelFunction("mel", (source, result, *tables), "test/mel.cc", alignment=4),),
        cores=(Core(CORE, holding(("source", "result"), call), stack),),
        sequences=(Sequence("run", (("x", source), ("y", result)), steps),),
    )


def seed_mel(batch: int, depth: int, tables: int, stack: int) -> Design:
    """Return the design of the first mel kernel, with a table of ``tables`` bytes.

    An object in has ``batch`` frames of 800 bytes, and an object out 80 bytes for each.
    """
    table = (Block("i8", tables),) if tables else ()
    return one_tile(Block("i16", FRAME * batch), Block("i8", BANDS * batch), depth, table, stack)


def seed_mel_tiles(batch: int, cores: int, depth: int = 2, stack: int = 1024) -> Design:
    """Return a design that distributes a batch of mel frames over ``cores`` tiles of a column and joins the results."""
    each = batch // cores
    frames, bands = Block("i16", FRAME * batch), Block("i8", BANDS * batch)
    part_in, part_out = Block("i16", FRAME * each), Block("i8", BANDS * each)
    tiles = [Tile(0, 2 + i) for i in range(cores)]
    ins, outs = [f"frames{i}" for i in range(cores)], [f"bands{i}" for i in range(cores)]
    return Design(
        name=f"mel_batch{batch}_tiles{cores}",
        columns=1,
        fifos=(
            ObjectFifo("frames", SHIM, (MEMTILE,), frames, (depth, depth)),
            *(
                ObjectFifo(name, MEMTILE, (tile,), part_in, (depth, depth))
                for name, tile in zip(ins, tiles, strict=True)
            ),
            *(
                ObjectFifo(name, tile, (MEMTILE,), part_out, (depth, depth))
                for name, tile in zip(outs, tiles, strict=True)
            ),
            ObjectFifo("bands", MEMTILE, (SHIM,), bands, (depth, depth)),
        ),
        links=(
            Link(("frames",), tuple(ins), tuple(i * part_in.elements for i in range(cores))),
            Link(tuple(outs), ("bands",), tuple(i * part_out.elements for i in range(cores))),
        ),
        buffers=(),
        kernels=(KernelFunction("mel", (part_in, part_out), "mel/seed.cc", alignment=4),),
        cores=tuple(
            Core(tile, holding((source, sink), Call("mel", (Held(source), Held(sink)))), stack)
            for tile, source, sink in zip(tiles, ins, outs, strict=True)
        ),
        sequences=(
            Sequence(
                "run", (("x", frames), ("y", bands)), there_and_back("frames", "bands", frames.elements, bands.elements)
            ),
        ),
    )


def matmul(a: int, b: int, acc: int, out: int, out_depth: int, *, stack: int = 2048) -> Design:
    """Return a design of one core of a matrix product: A and B of depth 2 and one output FIFO, sizes in bytes.

    With an accumulator, the core also has a bias table, state and parameters, and reads the number of steps from a
    word; without one the program is flat.
    """
    prm, table, state = Block("i32", 16), Block("f32", 1024), Block("f32", 256)
    blocks = {"a": Block("i8", a), "b": Block("i8", b), "c": Block("i8", out)}
    extras = (("acc", Block("i8", acc)), ("table", table), ("state", state), ("prm", prm)) if acc else ()
    step = holding(("a", "b"), Call("mac", (Held("a"), Held("b"))))
    steps = (Loop("k", BufferWord("prm", 3), step),) if acc else step
    return Design(
        name="matmul",
        columns=1,
        fifos=(
            ObjectFifo("a", SHIM, (CORE,), blocks["a"], (2, 2)),
            ObjectFifo("b", SHIM, (CORE,), blocks["b"], (2, 2)),
            ObjectFifo("c", CORE, (SHIM,), blocks["c"], (out_depth, 2)),
        ),
        links=(),
        buffers=tuple(TileBuffer(name, CORE, block) for name, block in extras),
        kernels=(
            KernelFunction("mac", (blocks["a"], blocks["b"]), "matmul/matmul.cc"),
            KernelFunction("out", (blocks["c"],), "matmul/matmul.cc"),
        ),
        cores=(Core(CORE, (*steps, *holding(("c",), Call("out", (Held("c"),)))), stack),),
        sequences=(),
    )


def forward(change: Callable[[ObjectFifo], ObjectFifo] = lambda fifo: fifo, objects: int = 4) -> Design:
    """Return a design that moves 256-byte objects from the shim through a memtile to a core, and back.

    ``change`` may alter each FIFO; the sequence moves ``objects`` objects.
    """
    block = Block("bf16", 128)
    whole = Block("bf16", 128 * objects)
    fifos = (
        ObjectFifo("in_shim", SHIM, (MEMTILE,), block, (2, 2)),
        ObjectFifo("in_core", MEMTILE, (CORE,), block, (2, 2)),
        ObjectFifo("out_core", CORE, (MEMTILE,), block, (2, 2)),
        ObjectFifo("out_shim", MEMTILE, (SHIM,), block, (2, 2)),
    )
    call = Call("copy", (Held("in_core"), Held("out_core")))
    return Design(
        name="forward",
        columns=1,
        fifos=tuple(map(change, fifos)),
        links=(Link(("in_shim",), ("in_core",)), Link(("out_core",), ("out_shim",))),
        buffers=(),
        kernels=(KernelFunction("copy", (block, block), "test/copy.cc"),),
        cores=(Core(CORE, holding(("in_core", "out_core"), call), 1024),),
        sequences=(
            Sequence(
                "run",
                (("x", whole), ("y", whole)),
                there_and_back("in_shim", "out_shim", whole.elements, whole.elements),
            ),
        ),
    )
