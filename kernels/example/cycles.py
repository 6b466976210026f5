"""The modelled cycles of the example on one AIE2 core, from a schedule of its loop; nothing was measured."""

from __future__ import annotations

from kernels.example.design import WIDTH
from kernels.schedule import CONVERT, LOAD, MULTIPLY_BF16, STORE, Cycles, Schedule, loop

LANES = 16  # values of a pass of the loop


def cycles() -> dict[str, Cycles]:
    """Return the modelled cycles of one call of each function of gain.cc, by name."""
    code = Schedule()
    product = code.issue(MULTIPLY_BF16, code.issue(LOAD), code.issue(LOAD))
    code.issue(STORE, code.issue(CONVERT, product))
    return {"gain": loop(code, WIDTH // LANES)}
