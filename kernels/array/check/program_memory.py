"""An estimate of the program memory that a core takes; only the compiler for the chip knows the true size.

The sizes of control code are guesses of about 6 bytes for each instruction of mlir-aie's LLVM IR; picking a FIFO object
at run time takes about ten instructions. A kernel of unknown size is assumed to take 1 KB: public ELF files hold 1.7 KB
for a vectorised matrix product with start-up code, and 5 to 7 KB for kernels that use soft floating point.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from kernels.array.design import Design
from kernels.array.hardware import PROGRAM_BYTES
from kernels.array.program import Acquire, Call, Core, Loop, Release, Statement, statements
from kernels.array.tile import Tile
from kernels.errors import Violation

START_BYTES = 256  # start-up code and the endless loop [guess]
STATIC_FIFO_BYTES = 24  # an acquire or release [guess]
DYNAMIC_FIFO_BYTES = 72
LOOP_BYTES = 40
CALL_BYTES = 16
ARGUMENT_BYTES = 8
KERNEL_BYTES = 1024  # of a kernel whose size was not measured [guess]


@dataclass(frozen=True, slots=True)
class ProgramEstimate:
    """The estimated size of a core's program: control code (guessed), measured kernels, and unmeasured kernels.

    ``assumed`` is the number of kernels of unknown size, which count 1 KB each.
    """

    control_bytes: int
    measured_bytes: int
    assumed: int

    @property
    def total_bytes(self) -> int:
        """The estimated bytes of the whole program."""
        return self.control_bytes + self.measured_bytes + self.assumed * KERNEL_BYTES

    def __str__(self) -> str:
        parts = f"control {self.control_bytes:,}, kernels measured {self.measured_bytes:,}, assumed {self.assumed} KB"
        return f"about {self.total_bytes:,} of {PROGRAM_BYTES:,} bytes of program ({parts}; estimate)"


def estimate(design: Design, core: Core) -> ProgramEstimate:
    """Estimate the size of one core's program; a kernel that it calls several times counts once."""
    called = {statement.kernel for statement in statements(core.body) if isinstance(statement, Call)}
    kernels = [kernel for kernel in design.kernels if kernel.name in called]
    measured = sum(kernel.text_bytes for kernel in kernels if kernel.text_bytes is not None)
    control = sum(_bytes(statement, core.dynamic) for statement in statements(core.body)) * _unrolled(design, core)
    return ProgramEstimate(START_BYTES + control, measured, sum(kernel.text_bytes is None for kernel in kernels))


def violations(design: Design) -> Iterator[Violation]:
    """Yield a violation for each core whose kernels do not fit by their measured sizes alone.

    Guessed sizes never refuse a design; ``warnings`` reports them.
    """
    for core in design.cores:
        needed = estimate(design, core)
        if needed.measured_bytes > PROGRAM_BYTES:
            found, limit = f"kernels of {needed.measured_bytes:,} bytes", f"a core holds {PROGRAM_BYTES:,}"
            cure = "Split the kernels over overlays, or make them smaller"
            yield Violation(f"core {core.tile}", "program memory", found, limit, cure)


def warnings(design: Design) -> Iterator[str]:
    """Yield a sentence about cores that may not fit by their estimate, one for all cores of equal estimates."""
    tiles: dict[ProgramEstimate, list[Tile]] = {}
    for core in design.cores:
        tiles.setdefault(estimate(design, core), []).append(core.tile)
    for needed, same in tiles.items():
        if needed.total_bytes > PROGRAM_BYTES >= needed.measured_bytes:
            many = "" if len(same) == 1 else f" and {len(same) - 1} more"
            yield f"core {same[0]}{many}: {needed}; only the compiler can tell"


def _bytes(statement: Statement, dynamic: bool) -> int:
    match statement:
        case Acquire() | Release():
            return DYNAMIC_FIFO_BYTES if dynamic else STATIC_FIFO_BYTES
        case Call(_, args):
            return CALL_BYTES + ARGUMENT_BYTES * len(args)
        case Loop():
            return LOOP_BYTES


def _unrolled(design: Design, core: Core) -> int:
    """Return how many copies of the body a core's program has: 1 if the core picks FIFO objects at run time.

    Otherwise mlir-aie's static lowering repeats the body until every FIFO is back at its first object.
    """
    if core.dynamic:
        return 1
    fifos = (
        design.fifo(name) for name in {statement.fifo for statement in core.body if isinstance(statement, Acquire)}
    )
    depths = (dict(zip((fifo.source, *fifo.targets), fifo.depths, strict=True)) for fifo in fifos)
    return math.lcm(*(depth_by_tile.get(core.tile, 1) for depth_by_tile in depths))
