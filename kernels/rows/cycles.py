"""Cycles of the row kernels on one AIE2 core of four columns, counted by issue slots. Modelled: nothing was measured.

Slots, latencies and what ``best`` and ``nominal`` mean: kernels/matmul/cycles.py. Counts are (loads, store slot with
the conversions in it, multiplier, vector ALU). A group is 16 rows of 256 columns.
"""

from __future__ import annotations

from kernels.matmul.cycles import CALL, Cycles, Pass

PART = 1024  # elements of a block that a core takes
GROUP = 4096
PAIRS = 8  # of rows

# Four vectors of 16 elements at once.
LOAD = Pass(busiest=8, length=20)  # (4, 8, 0, 4)
ADD = Pass(busiest=8, length=34)  # (16, 8, 8, 8)
GATHER = Pass(busiest=28, length=86)  # (8, 8, 28, 16): sub, split, three terms of the square, two sums
HALF = Pass(busiest=12, length=40)  # (8, 12, 4, 0)
NORMALISE = Pass(busiest=20, length=74)  # (8, 16, 20, 16)
PAIR = Pass(busiest=60, length=150)  # four sums over eight lanes, into memory and out of it
FINISH = Pass(busiest=90, length=420)  # mean and 1 / deviation of 16 rows, two Newton steps
LARGEST = Pass(busiest=16, length=28)  # (16, 2, 0, 16): four rows of 64
SCALE = Pass(busiest=60, length=330)  # 16 rows: maxima to scalars, product, reciprocal
QUANTISE = Pass(busiest=24, length=52)  # four vectors of 32: (8, 12, 24, 16)


def cycles() -> dict[str, Cycles]:
    """Of one call of each function of rows.cc, by name.

    ``row_out`` is the mean of a group's three: both halves of the sum, the first with the statistics, and the layer
    norm. The first group's extra work (``FINISH``, the shift) is counted as if a row had two groups.
    """
    gather, pairs, half = GATHER.times(GROUP // 64), PAIR.times(PAIRS), HALF.times(GROUP // 64)
    normalise, first = NORMALISE.times(GROUP // 64), FINISH.times(1)
    quantise = QUANTISE.times(PART // 128)
    return {
        "row_load": LOAD.times(PART // 64),
        "row_add": ADD.times(PART // 64),
        "row_out": Cycles(
            CALL + (gather.best + pairs.best + 2 * half.best + normalise.best + first.best // 2) // 3,
            CALL + (gather.nominal + pairs.nominal + 2 * half.nominal + normalise.nominal + first.nominal // 2) // 3,
        ),
        "quant_max": LARGEST.times(4),
        "quant_scale": SCALE.times(1),
        "quant_out": quantise,
    }
