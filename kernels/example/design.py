"""The design of the example: one core, one FIFO in, one FIFO out, and the gains in the core's own memory.

DRAM x -> shim (0, 0) -> "in" -> core (0, 2): gain -> "out" -> shim (0, 0) -> DRAM y
"""

from __future__ import annotations

import numpy as np

from kernels.array.design import Design, KernelFunction, ObjectFifo, TileBuffer
from kernels.array.program import Acquire, Call, Core, Held, Local, Release
from kernels.array.sequence import Await, Free, Sequence, Start, Transfer
from kernels.array.tile import Block, Tile
from kernels.host.numerics import Bits16, Rounding, to_bfloat16

WIDTH = 256  # values of a row, as in gain.cc
ROWS = 64  # rows of a launch
ROW, MATRIX = Block("bf16", WIDTH), Block("bf16", ROWS * WIDTH)
SHIM, CORE = Tile(0, 0), Tile(0, 2)

# One pass of the core: wait for a row and for room, compute, give both back. The core repeats it for ever.
PROGRAM = (
    Acquire("in"),
    Acquire("out"),
    Call("gain", (Held("in"), Local("gains"), Held("out"))),
    Release("in"),
    Release("out"),
)

# One launch. Outputs start first and have a token: the launch is over when the last output is in DRAM.
SEQUENCE = Sequence(
    "rows",
    (("x", MATRIX), ("y", MATRIX)),
    (
        Start("result", "out", (Transfer("y", 0, MATRIX.elements),), token=True),
        Start("input", "in", (Transfer("x", 0, MATRIX.elements),)),
        Await("result"),
        Free("input"),
    ),
)


def gains() -> Bits16:
    """Return the gains 1/256, 2/256, ..., 1 as bf16 bits, uint16 [256]."""
    return to_bfloat16(np.arange(1, WIDTH + 1, dtype=np.float32) / np.float32(WIDTH), Rounding.CONV_EVEN)


def design() -> Design:
    """Return the example's design: the overlay and its one sequence."""
    return Design(
        name="gain",
        columns=1,
        fifos=(
            ObjectFifo("in", SHIM, (CORE,), ROW, depths=(2, 2)),  # depth 2: one row moves while one is computed
            ObjectFifo("out", CORE, (SHIM,), ROW, depths=(2, 2)),
        ),
        links=(),
        buffers=(TileBuffer("gains", CORE, ROW, gains()),),
        kernels=(KernelFunction("gain", (ROW, ROW, ROW), "example/gain.cc"),),
        cores=(Core(CORE, PROGRAM, stack_bytes=1024),),
        sequences=(SEQUENCE,),
    )
