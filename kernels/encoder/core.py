"""The program of one core of the encoder overlay: read a command, then run the section of the op that it names.

Every section is a loop whose count is a word of the command; the count is 0 for the other ops' sections. There is no
branch, because mlir-aie's FIFO lowering drops acquires inside branches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kernels.array.program import Acquire, BufferWord, Call, Core, Held, Index, Local, Loop, Release, Statement
from kernels.array.tile import Tile
from kernels.command import AttentionWord, CommandWord, MatmulWord, QuantiseWord, RowsWord

Op = Literal["matmul", "matmul_i8", "attention", "rows", "quantise"]
STACK_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Place:
    """The position of one core in the array of ``columns`` columns, and the names of its FIFOs and buffers.

    ``row`` counts core rows from 0.
    """

    col: int
    row: int
    columns: int

    @property
    def tile(self) -> Tile:
        """The tile of the core; core row 0 is tile row 2."""
        return Tile(self.col, self.row + 2)

    @property
    def a(self) -> str:
        """The name of the FIFO of A objects (left operands), which is broadcast to the cores of a row."""
        return f"a{self.row}"

    @property
    def b(self) -> str:
        """The name of the FIFO of B objects (right operands), which is broadcast to the cores of a column."""
        return f"b{self.col}"

    @property
    def c(self) -> str:
        """The name of the FIFO of the core's own C objects (results)."""
        return f"c{self.col}{self.row}"

    def local(self, name: str) -> Local:
        """Return the core's own buffer ``name`` (acc, table, state or prm) as a kernel argument."""
        return Local(f"{name}{self.col}{self.row}")

    def word(self, word: CommandWord) -> BufferWord:
        """Return a word of the command, which the core keeps in the buffer ``prm``, as the count of a loop."""
        return BufferWord(f"prm{self.col}{self.row}", word)


def core(place: Place, ops: Iterable[Op]) -> Core:
    """Return a core's program: read a command and its table objects, then run the sections of ``ops`` in turn."""
    sections = {
        "matmul": _matmul,
        "matmul_i8": _matmul_i8,
        "attention": _attention,
        "rows": _rows,
        "quantise": _quantise,
    }
    body = (*_command(place), *(sections[op](place) for op in ops))
    return Core(place.tile, body, STACK_BYTES)


def _with(fifos: tuple[str, ...], *statements: Statement) -> tuple[Statement, ...]:
    return (*map(Acquire, fifos), *statements, *map(Release, fifos))


def _command(at: Place) -> tuple[Statement, ...]:
    table = _with((at.b,), Call("gemm_table", (Held(at.b), at.local("table"), Index("table"))))
    return (
        *_with((at.a,), Call("gemm_cmd", (Held(at.a), at.local("prm")))),
        Loop("table", at.word(MatmulWord.TABLE_OBJECTS), table),
    )


def _matmul(at: Place) -> Loop:
    acc = at.local("acc")
    step = _with((at.a, at.b), Call("gemm_mac", (Held(at.a), Held(at.b), acc)))
    out = Call("gemm_out", (acc, at.local("table"), Held(at.c), at.local("prm"), Index("tile")))
    tile = (Call("gemm_zero", (acc,)), Loop("k", at.word(MatmulWord.K_BLOCKS), step), *_with((at.c,), out))
    return Loop("block", at.word(MatmulWord.ROW_BLOCKS), (Loop("tile", at.word(MatmulWord.COLUMN_TILES), tile),))


def _matmul_i8(at: Place) -> Loop:
    acc, state = at.local("acc"), at.local("state")
    scales = _with((at.a,), Call("gemm_scales", (Held(at.a), state)))
    step = _with((at.a, at.b), Call("gemm_mac_i8", (Held(at.a), Held(at.b), acc)))
    out = Call("gemm_out_i8", (acc, at.local("table"), state, Held(at.c), at.local("prm"), Index("tile_i8")))
    tile = (Call("gemm_zero", (acc,)), Loop("k_i8", at.word(MatmulWord.K_BLOCKS), step), *_with((at.c,), out))
    tiles = Loop("tile_i8", at.word(MatmulWord.COLUMN_TILES), tile)
    return Loop("block_i8", at.word(MatmulWord.ROW_BLOCKS_I8), (*scales, tiles))


def _attention(at: Place) -> Loop:
    """Return the section of attention: each pass of the loop computes one tile of 64 queries.

    The query tiles of ``columns`` heads arrive one after the other, and each column keeps its own head's tile in its C
    object. The last A object stays acquired: it is the memory for the softmax weights.
    """
    acc, table, state, prm = (at.local(name) for name in ("acc", "table", "state", "prm"))

    def query(head: Index | int) -> Call:
        return Call("attn_query", (Held(at.a), Held(at.c), head, at.col))

    keys = (
        *_with(
            (at.b,), Call("attn_scores", (Held(at.c), Held(at.b), Held(at.a), acc, table, state, prm, Index("keys")))
        ),
        *_with((at.b,), Call("attn_values", (Held(at.a), Held(at.b), acc, state))),
    )
    passing = (Loop("head", at.columns - 1, _with((at.a,), query(Index("head")))),) if at.columns > 1 else ()
    body = _with(
        (at.c,),
        *passing,
        *_with(
            (at.a,),
            query(at.columns - 1),
            Call("attn_begin", (acc, table, state)),
            Loop("keys", at.word(AttentionWord.KEY_TILES), keys),
            Call("attn_end", (acc, state, Held(at.c))),
        ),
    )
    return Loop("queries", at.word(AttentionWord.QUERY_TILES), body)


def _rows(at: Place) -> Loop:
    """Return the section of residual add and layer norm: two passes over the columns of x + y for each row block.

    The first pass writes the sum (as high and low halves) and collects its statistics, the second writes its layer
    norm.
    """
    acc, state, prm = at.local("acc"), at.local("state"), at.local("prm")

    def gather(pass_: int) -> Loop:
        k = f"part{pass_}"
        hi = _with((at.a,), Call("row_load", (Held(at.a), acc, Index(k), at.col)))
        add = Call("row_add", (Held(at.a), Held(at.b), acc, state, Index(k), pass_, at.col, at.row))
        return Loop(k, at.columns, (*hi, *_with((at.a, at.b), add)))

    def out(pass_: int, plane: int) -> tuple[Statement, ...]:
        call = Call("row_out", (acc, state, Held(at.c), prm, pass_, Index(f"columns{pass_}"), plane))
        return _with((at.c,), call)

    return Loop(
        "rows",
        at.word(RowsWord.ROW_BLOCKS),
        (
            Loop("columns0", at.word(RowsWord.COLUMN_GROUPS), (gather(0), *out(0, 0), *out(0, 1))),
            Loop("columns1", at.word(RowsWord.COLUMN_GROUPS), (gather(1), *out(1, 0))),
        ),
    )


def _quantise(at: Place) -> Loop:
    """Return the section of quantisation to int8: two passes over the columns of each row block.

    The first pass finds the largest magnitude of each row, whose scale is written as a C object of its own. The second
    writes int8: eight bf16 blocks fill one C object.
    """
    state = at.local("state")
    largest = _with((at.a,), Call("quant_max", (Held(at.a), state, Index("max"), at.col)))
    block = _with((at.a,), Call("quant_out", (Held(at.a), state, Held(at.c), Index("eighth"), at.col)))
    return Loop(
        "quantise",
        at.word(QuantiseWord.ROW_BLOCKS),
        (
            Loop("max", at.word(QuantiseWord.COLUMN_BLOCKS), largest),
            *_with((at.c,), Call("quant_scale", (state, Held(at.c)))),
            Loop("packed", at.word(QuantiseWord.PACKED_OBJECTS), _with((at.c,), Loop("eighth", 8, block))),
        ),
    )
