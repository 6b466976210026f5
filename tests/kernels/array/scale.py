"""A test design with one of everything: commands among the data, a table, a distribute, a join, chains, repeats.

``kernels/example`` is the smallest design; this one has the recorded streams and runs as an overlay in tests of npu/.
"""

from __future__ import annotations

import numpy as np

from kernels.array.design import Design, KernelFunction, Link, ObjectFifo, TileBuffer
from kernels.array.program import Acquire, BufferWord, Call, Core, Held, Index, Local, Loop, Release
from kernels.array.sequence import Await, Free, Sequence, Start, Transfer
from kernels.array.tile import Block, Dim, Tile
from kernels.selftest import ResultPart, Trial

SOURCE = "../tests/kernels/array/scale.cc"  # sources are relative to the package kernels
PART, WHOLE, PRM, TABLE = Block("i32", 64), Block("i32", 128), Block("i32", 16), Block("i16", 8)
SHIM, MEMTILE, CORES = Tile(0, 0), Tile(0, 1), (Tile(0, 2), Tile(0, 3))


def core(number: int) -> Core:
    """Return the program of one of the two cores, which reads a command and then scales objects by its own table.

    The third word of a command is the number of objects in each of two passes.
    """
    source, sink = f"in{number}", f"out{number}"
    prm, table = Local(f"prm{number}"), Local(f"table{number}")
    scale = Call("scale", (Held(source), table, Held(sink), prm, Index("k"), -3))
    every = Loop(
        "k", BufferWord(f"prm{number}", 2), (Acquire(source), Acquire(sink), scale, Release(source), Release(sink))
    )
    command = Call("command", (Held(source), prm))
    body = (Acquire(source), command, Release(source), Loop("twice", 2, (every,)))
    return Core(CORES[number], body, 1_024)


TAIL = Transfer("x", 1_024, 128)
SEQUENCE = Sequence(
    "run",
    (("x", Block("i32", 4_096)), ("y", Block("i32", 8_192))),
    (
        Start("result", "out", (Transfer("y", 0, 128, (Dim(4, 256), Dim(1, 0), Dim(2, 128), Dim(64, 1))),), 3, True),
        Start("first", "in", (Transfer("x", 0, 128),)),
        Start("both", "in", (Transfer("x", 256, 128, (Dim(2, 256), Dim(1, 0), Dim(2, 128), Dim(64, 1))), TAIL), 1),
        Await("result"),
        Free("first"),
        Free("both"),
    ),
)


def design(*sequences: Sequence) -> Design:
    return Design(
        name="scale",
        columns=1,
        fifos=(
            ObjectFifo("in", SHIM, (MEMTILE,), WHOLE, (2, 2)),
            ObjectFifo("in0", MEMTILE, (CORES[0],), PART, (2, 2)),
            ObjectFifo("in1", MEMTILE, (CORES[1],), PART, (2, 2), (Dim(8, 1), Dim(8, 8))),
            ObjectFifo("out0", CORES[0], (MEMTILE,), PART, (1, 2)),
            ObjectFifo("out1", CORES[1], (MEMTILE,), PART, (1, 2)),
            ObjectFifo("out", MEMTILE, (SHIM,), WHOLE, (2, 2)),
        ),
        links=(Link(("in",), ("in0", "in1"), (0, 64)), Link(("out0", "out1"), ("out",), (0, 64))),
        buffers=(
            *(TileBuffer(f"prm{number}", CORES[number], PRM) for number in range(2)),
            *(TileBuffer(f"table{n}", CORES[n], TABLE, np.arange(8, dtype=np.int16) * (n - 2)) for n in range(2)),
        ),
        kernels=(
            KernelFunction("command", (PART, PRM), SOURCE),
            KernelFunction("scale", (PART, TABLE, PART, PRM, "i32", "i32"), SOURCE),
        ),
        cores=(core(0), core(1)),
        sequences=sequences or (SEQUENCE,),
    )


def trial() -> Trial:
    """Return the self-test: each core gets one command and scales four objects."""
    x = np.arange(4_096, dtype=np.int32)
    x[[2, 64 + 16]] = 2
    results = tuple(ResultPart(f"pass{n}", 1, Block("i32", 64), n * 256, 0.0) for n in range(4))
    return Trial("run", (x.view(np.uint8), np.zeros(4 * 8_192, np.uint8)), results)
