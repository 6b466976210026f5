"""The cycles of the attention kernels on one AIE2 core, by issue slots. Modelled: nothing here was measured.

kernels/schedule.py defines ``best``, ``nominal``, slots and latencies.
"""

from __future__ import annotations

from functools import cache

from kernels.schedule import (
    ACCUMULATE,
    ADD_FLOAT,
    ALU,
    CALL,
    CONVERT,
    LOAD,
    LOAD_SUM,
    MULTIPLY,
    MULTIPLY_BF16,
    STORE,
    Cycles,
    Schedule,
    loop,
)

SCORES = 64 * 64  # of one call of attn_scores and one of attn_values
COLUMNS = 4  # calls of attn_query for each that copies
STEPS = 8  # of eight dims or keys, in a block


@cache
def cycles() -> dict[str, Cycles]:
    """Return the cycles of one call of each function of attention.cc, by name.

    ``attn_query`` is the mean of four calls, of which one copies. ``attn_begin`` includes the extra work of the first
    tile. No reference moves: of 240 query tiles of real speech, one tile moved one in its first key tile.
    """
    query = loop(_query(), 32)
    return {
        "attn_query": Cycles(CALL + query.best // COLUMNS, CALL + query.nominal // COLUMNS),
        "attn_begin": _sum(loop(_zero(), 72), loop(_compare_peaks(), 16)),
        "attn_scores": _sum(loop(_weigh(), 32), loop(_pair(), 8)),
        "attn_values": _sum(loop(_values(), 32), loop(_totals(), 4)),
        "attn_end": _sum(loop(_out(), 32), loop(_reciprocal(), 16)),
    }


def cycles_per_score() -> tuple[float, float]:
    """Return best and nominal cycles a score, with both products, over a long row of keys."""
    steps = [cycles()[name] for name in ("attn_scores", "attn_values")]
    return sum(step.best for step in steps) / SCORES, sum(step.nominal for step in steps) / SCORES


def _weigh() -> Schedule:
    """Schedule the steps from scores to u and P for 16 keys x 8 queries."""
    code = Schedule()
    sums = _product(code, [code.issue(ALU, code.issue(ALU)) for _ in range(8)], left=4, right=2)
    for pair in (sums[0:4:2], sums[1:4:2], sums[4::2], sums[5::2]):
        s = code.issue(ALU, code.issue(CONVERT, *pair))
        u = code.issue(ALU, code.issue(CONVERT, *pair))
        code.issue(ALU, u)  # the largest
        counts = code.issue(ALU, u)
        constants = [code.issue(ALU), code.issue(ALU)]  # copied into the sums that a MAC overwrites
        factors = [code.issue(CONVERT, code.issue(MULTIPLY, s, constant)) for constant in constants]
        weights = code.issue(CONVERT, code.issue(MULTIPLY, *factors))
        code.issue(STORE, code.issue(ALU, code.issue(ALU, weights, counts)), times=2)
    return code


def _values() -> Schedule:
    """Schedule the product of P and V for sixteen queries x eight dims of O, over the tile's keys."""
    code = Schedule()
    sums = [code.issue(LOAD_SUM, times=2) for _ in range(8)]
    for done in _product(code, sums, left=4, right=2, turned=True):
        code.issue(STORE, done, times=2)
    return code


def _totals() -> Schedule:
    """Schedule the sums of P of sixteen queries."""
    code = Schedule()
    sums = [code.issue(LOAD_SUM, times=2) for _ in range(4)]
    for done in _product(code, sums, left=4, right=1):
        code.issue(STORE, done, times=2)
    return code


def _product(code: Schedule, sums: list[int], left: int, right: int, *, turned: bool = False) -> list[int]:
    """Return the cycles at which left x right sums are complete; ``turned`` right operands are shuffled first."""
    for step in range(STEPS):
        loaded = [code.issue(LOAD, times=2) for _ in range(right)]
        columns = [code.issue(ALU, *loaded) for _ in loaded] if turned else loaded
        for i in range(left):
            row = code.issue(LOAD, times=2)
            for j, column in enumerate(columns):
                unit = MULTIPLY_BF16 if step == STEPS - 1 else ACCUMULATE
                at = i * right + j
                sums[at] = code.issue(unit, sums[at], row, column)
    return sums


def _pair() -> Schedule:
    """Schedule the loads of eight queries' offsets and the stores of their peaks."""
    code = Schedule()
    for _ in range(2):
        code.issue(LOAD_SUM, times=2)
        code.issue(STORE, code.issue(ALU), times=2)
    return code


def _compare_peaks() -> Schedule:
    """Schedule the reduction and comparison of four queries' peaks; two results of comparisons become scalars."""
    code = Schedule()
    peak = code.issue(LOAD, times=2)
    for _ in range(6):
        peak = code.issue(ALU, peak)
    for _ in range(2):
        code.issue(ALU, code.issue(ALU, peak))
    return code


def _query() -> Schedule:
    code = Schedule()
    for _ in range(4):
        code.issue(STORE, code.issue(ALU, code.issue(LOAD, times=2)), times=2)
    return code


def _zero() -> Schedule:
    code = Schedule()
    code.issue(STORE, times=8)
    return code


def _out() -> Schedule:
    """Schedule the division of four sub-tiles of four queries x eight dims: three products of parts for each half."""
    code = Schedule()
    for _ in range(4):
        halves = []
        for _ in range(2):
            x = code.issue(LOAD_SUM, times=2)
            high = code.issue(CONVERT, x)
            low = code.issue(CONVERT, code.issue(ADD_FLOAT, x, high))
            operands = [code.issue(ALU, part) for part in (high, low)]  # upper halves zeroed
            product = code.issue(MULTIPLY_BF16, *operands)
            for _ in range(2):
                product = code.issue(MULTIPLY_BF16, product)
            halves.append(code.issue(CONVERT, product))
        code.issue(STORE, code.issue(ALU, code.issue(ALU, *halves)), times=2)
    return code


def _reciprocal() -> Schedule:
    """Schedule the reciprocals of sixteen sums: a chain with almost nothing beside it."""
    code = Schedule()
    x = code.issue(LOAD_SUM, times=2)
    for unit in (CONVERT, ADD_FLOAT, CONVERT, ALU, *(MULTIPLY_BF16, CONVERT, ALU) * 5):  # split, bfloat16 reciprocal
        x = code.issue(unit, x)
    for _ in range(2):
        for unit in (CONVERT, ADD_FLOAT, CONVERT, *(MULTIPLY_BF16,) * 3, CONVERT, ALU, MULTIPLY_BF16):
            x = code.issue(unit, x)
    return code


def _sum(*parts: Cycles) -> Cycles:
    return Cycles(sum(part.best for part in parts), sum(part.nominal for part in parts))
