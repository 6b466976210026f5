"""The design of the encoder's overlay: A objects are broadcast along rows of cores, B along columns, C are joined.

    column          0         1         2         3
    core row 3      c03       c13       c23       c33     <- a3
    core row 2      c02       c12       c22       c32     <- a2
    core row 1      c01       c11       c21       c31     <- a1
    core row 0      c00       c10       c20       c30     <- a0
                    ^ b0      ^ b1      ^ b2      ^ b3
    memtile         a_in, b_in -> rows and columns; c0..c3 -> c_out
    shim            2 channels in, 1 out for each column

An A object is a block of an op's left operand, B of its right operand, C of its result. The memtile joins the C objects
of a column into one. With fewer columns than rows, an A object of a column holds the blocks of several rows, and the
memtile distributes them.
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered

from kernels.array.design import Design, KernelFunction, Link, ObjectFifo, TileBuffer
from kernels.array.sequence import Sequence
from kernels.array.tile import Block, Tile
from kernels.command import WORDS
from kernels.encoder.core import Op, Place, core
from kernels.errors import DesignError

ROWS = 4
TABLE = Block("f32", 1024)
STATE = Block("f32", 256)
PRM = Block("i32", WORDS)
ENCODER_OPS: tuple[Op, ...] = ("matmul", "attention", "rows")


def overlay(
    name: str,
    ops: Ordered[Op],
    sequences: tuple[Sequence, ...] = (),
    *,
    columns: int = 4,
    tile: int = 64,
) -> Design:
    """Return the design of an overlay that can run ``ops`` on matrix blocks of ``tile`` x ``tile``.

    ``columns`` (1, 2, 4) is the number of array columns; ``sequences`` are the launches that the design contains.
    Raises DesignError for tiles other than 64 with any op but matmul, and for row ops on fewer than four columns: the
    kernels have neither.

        design = overlay("encoder", ENCODER_OPS, (window(plan(SHAPES["base"])),))
    """
    if tile != 64 and set(ops) != {"matmul"}:
        raise DesignError(f"Tiles of {tile} x {tile} are for matmul alone, not for {', '.join(ops)}.")
    if columns != 4 and not {"matmul", "matmul_i8", "attention"}.issuperset(ops):
        raise DesignError(f"Row ops need four columns, not {columns}: each takes a quarter of a block's rows.")
    block = Block("bf16", tile * tile)
    places = [Place(col, row, columns) for col in range(columns) for row in range(ROWS)]
    return Design(
        name=name,
        columns=columns,
        fifos=tuple(_fifos(columns, block)),
        links=tuple(_links(columns, block)),
        buffers=tuple(buffer for place in places for buffer in _buffers(place, tile)),
        kernels=_kernels(ops, block),
        cores=tuple(core(place, ops) for place in places),
        sequences=sequences,
        defines={"COLS": columns, "TILE": tile},
    )


def rows_of(col: int, columns: int) -> range:
    """Return the core rows whose A objects enter the array through the shim of column ``col``."""
    each = ROWS // columns
    return range(col * each, (col + 1) * each)


def _fifos(columns: int, block: Block) -> list[ObjectFifo]:
    part = Block(block.dtype, block.elements * ROWS // columns)
    whole = Block(block.dtype, block.elements * ROWS)
    fifos = []
    for col in range(columns):
        shim, memtile = Tile(col, 0), Tile(col, 1)
        cores = tuple(Tile(col, row + 2) for row in range(ROWS))
        fifos.append(ObjectFifo(f"a_in{col}", shim, (memtile,), part, (2, 2)))
        for row in rows_of(col, columns):
            row_cores = tuple(Tile(c, row + 2) for c in range(columns))
            fifos.append(ObjectFifo(f"a{row}", memtile, row_cores, block, (2,) * (columns + 1)))
        fifos.append(ObjectFifo(f"b_in{col}", shim, (memtile,), block, (2, 2)))
        fifos.append(ObjectFifo(f"b{col}", memtile, cores, block, (2,) * (ROWS + 1)))
        fifos.extend(ObjectFifo(f"c{col}{row}", cores[row], (memtile,), block, (1, 2)) for row in range(ROWS))
        fifos.append(ObjectFifo(f"c_out{col}", memtile, (shim,), whole, (2, 2)))
    return fifos


def _links(columns: int, block: Block) -> list[Link]:
    links = []
    for col in range(columns):
        rows = rows_of(col, columns)
        offsets = tuple(i * block.elements for i in range(len(rows))) if len(rows) > 1 else ()
        links.append(Link((f"a_in{col}",), tuple(f"a{row}" for row in rows), offsets))
        links.append(Link((f"b_in{col}",), (f"b{col}",)))
        joined = tuple(f"c{col}{row}" for row in range(ROWS))
        links.append(Link(joined, (f"c_out{col}",), tuple(row * block.elements for row in range(ROWS))))
    return links


def _buffers(place: Place, tile: int) -> list[TileBuffer]:
    blocks = {"acc": Block("f32", tile * tile), "table": TABLE, "state": STATE, "prm": PRM}
    return [TileBuffer(place.local(name).buffer, place.tile, block) for name, block in blocks.items()]


def _kernels(ops: Ordered[Op], block: Block) -> tuple[KernelFunction, ...]:
    acc = Block("f32", block.elements)
    matmul, attention, rows = "matmul/matmul.cc", "attention/attention.cc", "rows/rows.cc"
    always = (
        KernelFunction("gemm_cmd", (block, PRM), matmul),
        KernelFunction("gemm_table", (block, TABLE, "i32"), matmul),
    )
    of_op: dict[Op, tuple[KernelFunction, ...]] = {
        "matmul": (
            KernelFunction("gemm_zero", (acc,), matmul),
            KernelFunction("gemm_mac", (block, block, acc), matmul),
            KernelFunction("gemm_out", (acc, TABLE, block, PRM, "i32"), matmul),
        ),
        "matmul_i8": (
            KernelFunction("gemm_zero", (acc,), matmul),
            KernelFunction("gemm_scales", (block, STATE), matmul),
            KernelFunction("gemm_mac_i8", (block, block, acc), matmul),
            KernelFunction("gemm_out_i8", (acc, TABLE, STATE, block, PRM, "i32"), matmul),
        ),
        "attention": (
            KernelFunction("attn_query", (block, block, "i32", "i32"), attention),
            KernelFunction("attn_begin", (acc, TABLE, STATE), attention),
            KernelFunction("attn_scores", (block, block, block, acc, TABLE, STATE, PRM, "i32"), attention),
            KernelFunction("attn_values", (block, block, acc, STATE), attention),
            KernelFunction("attn_end", (acc, STATE, block), attention),
        ),
        "rows": (
            KernelFunction("row_load", (block, acc, "i32", "i32"), rows),
            KernelFunction("row_add", (block, block, acc, STATE, "i32", "i32", "i32", "i32"), rows),
            KernelFunction("row_out", (acc, STATE, block, PRM, "i32", "i32", "i32"), rows),
        ),
        "quantise": (
            KernelFunction("quant_max", (block, STATE, "i32", "i32"), rows),
            KernelFunction("quant_scale", (STATE, block), rows),
            KernelFunction("quant_out", (block, STATE, block, "i32", "i32"), rows),
        ),
    }
    return tuple(dict.fromkeys([*always, *(kernel for op in ops for kernel in of_op[op])]))
