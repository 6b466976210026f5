"""Cycles of the attention kernels on one AIE2 core, counted by issue slots. Modelled: nothing here was measured.

Slots, latencies and what ``best`` and ``nominal`` mean: kernels/matmul/cycles.py. Counts are (loads, store slot with
the conversions in it, multiplier, vector ALU).
"""

from __future__ import annotations

from kernels.matmul.cycles import CALL, Cycles, Pass

SCORES = 64 * 64  # of one call of attn_scores and one of attn_values
COLUMNS = 4  # calls of attn_query for each that copies

# 16 keys x 8 queries: 64 MACs in (96, 0, 64, 0), then P in (8, 28, 12, 26). Before the first MAC 10 cycles, after the
# last one 5; then two conversions to 16 bits, 29 cycles down the longest chain, the last store 13 after that.
WEIGH = Pass(busiest=76, length=121)
PAIR = Pass(busiest=8, length=18)  # offsets in, peaks out, for 8 queries
# 16 queries x 8 dims: 64 MACs in (96 + 16 sums, 16, 64, 16): 10 cycles before the first, 18 for the last sums out.
VALUES = Pass(busiest=64, length=92)
# Sums of P of 16 queries: four chains of eight MACs, which wait for each other, in (72, 8, 32, 0).
TOTALS = Pass(busiest=48, length=72)
SETTLE = Pass(busiest=24, length=50)  # four queries' peaks reduced and compared, in the first tile: no reference moves
QUERY = Pass(busiest=8, length=18)  # four sub-tiles turned
ZERO = Pass(busiest=8, length=8)  # 256 bytes
# Sixteen results from two products of three terms each, twice: (8, 12, 16, 12); a reciprocal for each four queries.
OUT = Pass(busiest=16, length=58)
RECIPROCAL = Pass(busiest=40, length=190)


def cycles() -> dict[str, Cycles]:
    """Of one call of each function of attention.cc, by name.

    ``attn_query`` is the mean of four calls, of which one copies. ``attn_begin`` carries what the first tile costs on
    top of others. No reference moves: of 240 query tiles of real speech, one moved one in its first tile.
    """
    query, begin, settle = QUERY.times(32), ZERO.times(72), SETTLE.times(16)
    return {
        "attn_query": Cycles(CALL + query.best // COLUMNS, CALL + query.nominal // COLUMNS),
        "attn_begin": _sum(begin, settle),
        "attn_scores": _sum(WEIGH.times(32), PAIR.times(8)),
        "attn_values": _sum(VALUES.times(32), TOTALS.times(4)),
        "attn_end": _sum(OUT.times(64), RECIPROCAL.times(16)),
    }


def cycles_per_score() -> tuple[float, float]:
    """Best and nominal, with both products, over a long row of keys."""
    every = cycles()
    steps = every["attn_scores"], every["attn_values"]
    return sum(step.best for step in steps) / SCORES, sum(step.nominal for step in steps) / SCORES


def _sum(*parts: Cycles) -> Cycles:
    return Cycles(sum(part.best for part in parts), sum(part.nominal for part in parts))
