"""The modelled cycles of the mel kernel on one AIE2 core, from schedules of its loops; nothing was measured.

A call folds the samples, a block of 16 samples of one plane at a time; then it makes the DFT of eight bins at a time,
their power, and the mel sums. kernels/schedule.py defines ``best``, ``nominal``, slots and latencies.
"""

from __future__ import annotations

from functools import cache

from kernels.mel.plan import PLANES, MelPlan
from kernels.mel.shares import BIN_BLOCKS, shares
from kernels.mel.tables import FACTORS, ROWS, TILE, mel_weights
from kernels.schedule import (
    ACCUMULATE,
    ADD_FLOAT,
    ALU,
    CALL,
    CONVERT,
    JUMP,
    LOAD,
    LOAD_SUM,
    MULTIPLY,
    MULTIPLY_BF16,
    STORE,
    Cycles,
    Schedule,
)

UNROLLED = 17  # steps of the DFT loop in one pass, mel.cc
BOUNDS = 8  # scalar: where a group of bands starts and ends, and its loop


def cycles(plan: MelPlan) -> dict[str, Cycles]:
    """Return the modelled cycles of one call of each function of mel.cc, by name, on the core with most work.

    Every object of a launch takes equally long.
    """
    blocks = [int(mel_weights(share, plan.n_mels)[1][1::2].sum()) for share in shares(plan.n_mels)]
    passes = (
        (_fold(), PLANES * len(FACTORS)),
        (_dft(), BIN_BLOCKS * ROWS // TILE // UNROLLED),
        (_power(), BIN_BLOCKS),
        (_mel(), max(blocks)),
        (_energies(), plan.band_groups),
    )
    best = sum(schedule.busiest * times + schedule.length for schedule, times in passes)
    nominal = sum((schedule.length + JUMP) * times for schedule, times in passes)
    scalar = BOUNDS * plan.band_groups
    return {
        "mel_frames": Cycles(CALL + plan.frame_groups * (best + scalar), CALL + plan.frame_groups * (nominal + scalar))
    }


def window_cycles(plan: MelPlan, acquire_cycles: int) -> Cycles:
    """Return the modelled cycles of a launch that computes the mel of a window; nothing was measured.

    ``acquire_cycles`` is the cost of each acquire of a FIFO object. The columns of the array work side by side, and DMA
    transfers take no extra time (README.md).
    """
    call = cycles(plan)["mel_frames"]
    waits = 2 * acquire_cycles  # samples and energies
    return Cycles(plan.objects * (call.best + waits), plan.objects * (call.nominal + waits))


@cache
def _fold() -> Schedule:
    """Schedule the fold of one block of 16 samples of four frames with its mirror image: four sub-tiles."""
    code = Schedule()
    near, far = (_transposed(code) for _ in range(2))
    forward, backward, first = (code.issue(LOAD) for _ in range(3))
    above = 0
    for i in range(4):
        below = far[(3 - i) // 2]
        straight = code.issue(CONVERT, code.issue(MULTIPLY, forward, near[i // 2]))
        part = code.issue(ACCUMULATE, backward, below)
        mirrored = code.issue(CONVERT, code.issue(MULTIPLY, first, above, part))
        for _ in range(2):
            code.issue(STORE, code.issue(ALU, straight, mirrored))
        above = below
    return code


def _transposed(code: Schedule) -> tuple[int, int]:
    """Schedule the transposition of a 4 x 16 matrix, and return the cycles in which its two halves are ready."""
    loaded = max(code.issue(LOAD) for _ in range(4))
    return code.issue(ALU, loaded), code.issue(ALU, loaded)


@cache
def _dft() -> Schedule:
    """Schedule one unrolled pass of the DFT of eight bins: four products for each plane and step."""
    code = Schedule()
    sums = [0] * (2 * PLANES * 2)
    for _ in range(UNROLLED):
        loaded = max(code.issue(LOAD) for _ in range(8))
        sums = [code.issue(ACCUMULATE, loaded, ready) for ready in sums]
    return code


@cache
def _power() -> Schedule:
    """Schedule the power of eight bins of four frames, made from eight sums."""
    code = Schedule()
    parts = []
    for _ in range(2):  # real, imaginary
        joined = [code.issue(ALU, code.issue(CONVERT), code.issue(CONVERT)) for _ in range(2)]
        parts.append(_to_bf16(code, max(joined)))
    for half in range(2):
        square = code.issue(MULTIPLY_BF16, parts[0][half])
        code.issue(STORE, code.issue(CONVERT, code.issue(MULTIPLY_BF16, parts[1][half], square)))
    return code


def _to_bf16(code: Schedule, ready: int) -> tuple[int, int]:
    """Schedule the conversion of 32 integers to bf16, and return the cycles in which the two halves are ready.

    The conversion uses the mantissas of two constants: aie_api detail/aie2/elementary.hpp@2a408059.
    """
    halves = []
    for _ in range(2):  # upper and lower 16 bits
        filtered = max(code.issue(ALU, ready) for _ in range(2))
        halves.append(code.issue(ADD_FLOAT, code.issue(LOAD_SUM, filtered)))
    first, second = (
        code.issue(CONVERT, code.issue(ADD_FLOAT, *(code.issue(ADD_FLOAT, half) for half in halves))) for _ in range(2)
    )
    return first, second


@cache
def _mel() -> Schedule:
    """Schedule the product of the power of eight bins by the weights of four bands: four loads, one accumulation."""
    code = Schedule()
    code.issue(ACCUMULATE, *(code.issue(LOAD) for _ in range(4)))
    return code


@cache
def _energies() -> Schedule:
    """Schedule the end of a group of bands: the scaling, conversion and store of its energies."""
    code = Schedule()
    code.issue(STORE, code.issue(CONVERT, code.issue(MULTIPLY_BF16)))
    return code
