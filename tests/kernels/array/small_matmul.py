"""A small version of the encoder overlay: A goes along rows of cores, B along columns, C is joined.

The first object of A is a command with the sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels.array.design import Design, KernelFunction, Link, ObjectFifo, TileBuffer
from kernels.array.program import Acquire, BufferWord, Call, Core, Held, Local, Loop, Release
from kernels.array.sequence import Await, Sequence, Start, Transfer
from kernels.array.tile import Block, Dim, Tile
from tests.kernels.array.arrays import holding

SIDE = 8
A, WORDS = Block("f32", SIDE * SIDE), Block("i32", 4)
KERNELS = (
    KernelFunction("command", (A, WORDS), "none.cc"),
    KernelFunction("zero", (A,), "none.cc"),
    KernelFunction("mac", (A, A, A), "none.cc"),
    KernelFunction("out", (A, A, "i32"), "none.cc"),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of an array of cores and of a matrix product on it, in blocks of 8 by 8.

    The array has ``columns`` by ``rows`` cores, with ``rows`` <= ``columns``, and FIFOs of ``depth``. Each core row has
    ``groups`` of row blocks, each array column ``tiles`` of column blocks; ``steps`` are the blocks of K.
    """

    columns: int
    rows: int
    groups: int
    tiles: int
    steps: int
    depth: int


def matmul(shape: Shape) -> Design:
    columns, rows = range(shape.columns), range(shape.rows)
    tile = {(col, row): Tile(col, row + 2) for col in columns for row in rows}
    fifos, links = [], []
    whole, d = Block("f32", shape.rows * A.elements), shape.depth
    for col in columns:
        shim, memtile = Tile(col, 0), Tile(col, 1)
        down = tuple(tile[col, row] for row in rows)
        fifos += [ObjectFifo(f"b_in{col}", shim, (memtile,), A, (d, d))]
        fifos += [ObjectFifo(f"b{col}", memtile, down, A, (d,) * (1 + shape.rows))]
        fifos += [ObjectFifo(f"c{col}{row}", tile[col, row], (memtile,), A, (1, d)) for row in rows]
        fifos += [ObjectFifo(f"c_out{col}", memtile, (shim,), whole, (d, d))]
        links += [Link((f"b_in{col}",), (f"b{col}",))]
        offsets = tuple(row * A.elements for row in rows) if shape.rows > 1 else ()
        links += [Link(tuple(f"c{col}{row}" for row in rows), (f"c_out{col}",), offsets)]
    for row in rows:
        along = tuple(tile[col, row] for col in columns)
        fifos += [ObjectFifo(f"a_in{row}", Tile(row, 0), (Tile(row, 1),), A, (d, d))]
        fifos += [ObjectFifo(f"a{row}", Tile(row, 1), along, A, (d,) * (1 + shape.columns))]
        links += [Link((f"a_in{row}",), (f"a{row}",))]
    buffers = [TileBuffer(f"acc{c}{r}", at, A) for (c, r), at in tile.items()]
    buffers += [TileBuffer(f"words{c}{r}", at, WORDS) for (c, r), at in tile.items()]
    cores = tuple(program(col, row, at) for (col, row), at in tile.items())
    return Design("gemm", shape.columns, tuple(fifos), tuple(links), tuple(buffers), KERNELS, cores, ())


def program(col: int, row: int, at: Tile) -> Core:
    a, b, c, acc, words = f"a{row}", f"b{col}", f"c{col}{row}", Local(f"acc{col}{row}"), f"words{col}{row}"
    step = holding((a, b), Call("mac", (Held(a), Held(b), acc)))
    tile = (
        Call("zero", (acc,)),
        Loop("k", BufferWord(words, 2), step),
        Acquire(c),
        Call("out", (acc, Held(c), at.col)),
        Release(c),
    )
    body = (
        *holding((a,), Call("command", (Held(a), Local(words)))),
        Loop("group", BufferWord(words, 0), (Loop("tile", BufferWord(words, 1), tile),)),
    )
    return Core(at, body, 1024)


def sequence(shape: Shape) -> Sequence:
    """Return the sequence of one product; its arguments are a command of one block, and matrices in blocks.

    The matrices are a [rows, groups, steps], b [columns, tiles, steps], c [groups, rows, tiles * columns].
    """
    block, n = A.elements, shape.tiles * shape.columns
    steps: list[Start | Await] = []
    for row in range(shape.rows):
        panel = shape.groups * shape.steps * block
        commanded = Transfer("command", 0, block)
        steps.append(Start(f"q{row}", f"a_in{row}", (commanded,)))
        for group in range(shape.groups):
            at = row * panel + group * shape.steps * block
            again = Start(f"a{row}{group}", f"a_in{row}", (Transfer("a", at, shape.steps * block),), shape.tiles - 1)
            steps.append(again)
    for col in range(shape.columns):
        length = shape.tiles * shape.steps * block
        steps.append(Start(f"b{col}", f"b_in{col}", (Transfer("b", col * length, length),), shape.groups - 1))
        tiles = Dim(shape.tiles, shape.columns * block), Dim(shape.rows, n * block), Dim(1, block), Dim(block, 1)
        for group in range(shape.groups):
            at = group * shape.rows * n * block + col * block
            passes = Transfer("c", at, shape.rows * block, tiles)
            steps.append(Start(f"c{col}{group}", f"c_out{col}", (passes,), shape.tiles - 1, token=True))
    steps += [Await(f"c{col}{group}") for group in range(shape.groups) for col in range(shape.columns)]
    sizes = {
        "command": block,
        "a": shape.rows * shape.groups * shape.steps * block,
        "b": shape.columns * shape.tiles * shape.steps * block,
        "c": shape.groups * shape.rows * n * block,
    }
    return Sequence("gemm", tuple((name, Block("f32", size)) for name, size in sizes.items()), tuple(steps))
