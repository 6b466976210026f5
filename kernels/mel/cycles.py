"""Cycles of the mel kernel on one AIE2 core by issue slots, as kernels/matmul/cycles.py counts. Modelled, not measured.

In a call samples are folded, a block of 16 samples of one plane at a time; then come the DFT of eight bins at a time,
their power, and the mel sums. ``best`` pipelines every loop down to its busiest slot, ``nominal`` none.
"""

from __future__ import annotations

from kernels.matmul.cycles import CALL, JUMP, Cycles, Pass
from kernels.mel.filters import BIN_BLOCKS, shares
from kernels.mel.plan import PLANES, Plan
from kernels.mel.tables import FACTORS, ROWS, TILE, mel_weights

UNROLLED = 17  # steps of the DFT loop in one pass, mel.cc
MACS = 8  # of a step: cosines and sines of eight bins by both planes; 8 loads

# 11 loads, 12 MACs, 8 conversions and 8 stores, 4 shuffles and 8 sums; load, shuffle, two MACs, conversion, sum, store.
FOLD = Pass(busiest=16, length=40)
DFT = Pass(busiest=UNROLLED * MACS, length=UNROLLED * MACS + 12)  # the first loads and the last MAC stick out
# Eight sums to integers and to bf16, two products: 16 conversions and stores, 20 on the multiplier, 12 on the ALU.
POWER = Pass(busiest=20, length=70)
BANDS = Pass(busiest=2, length=15)  # 4 loads and a MAC of 8 bins by 4 bands
OUT = Pass(busiest=12, length=12)  # around the sum of a group: its bounds, conversion, store


def cycles(plan: Plan) -> dict[str, Cycles]:
    """Of one call, on the core that has most to do; it is the same for every object of a launch."""
    groups = plan.frame_groups
    folds, passes = PLANES * len(FACTORS), ROWS // TILE // UNROLLED
    tiles = max(int(mel_weights(share, plan.n_mels)[1][1::2].sum()) for share in shares(plan.n_mels))
    bands = plan.band_groups
    best = (
        folds * FOLD.busiest
        + FOLD.length
        + BIN_BLOCKS * (passes * DFT.busiest + POWER.length)
        + tiles * BANDS.busiest
        + bands * OUT.busiest
    )
    nominal = (
        folds * (FOLD.length + JUMP)
        + BIN_BLOCKS * (passes * (DFT.length + JUMP) + POWER.length + JUMP)
        + tiles * (BANDS.length + JUMP)
        + bands * (OUT.length + JUMP)
    )
    return {"mel_frames": Cycles(CALL + groups * best, CALL + groups * nominal)}


def window_cycles(plan: Plan, acquire_cycles: int) -> Cycles:
    """Of a whole launch on the array: its columns work side by side. DMA is hidden behind it (README.md)."""
    call = cycles(plan)["mel_frames"]
    waits = 2 * acquire_cycles  # samples and energies
    return Cycles(plan.objects * (call.best + waits), plan.objects * (call.nominal + waits))
