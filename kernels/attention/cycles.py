"""The modelled cycles of the attention kernels on one AIE2 core, from schedules of their loops; nothing was measured.

kernels/schedule.py defines ``best``, ``nominal``, slots and latencies; attention.cc defines u, P, O and references.
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
    """Return the modelled cycles of one call of each function of attention.cc, by name.

    ``attn_query`` is the mean of four calls, of which one copies. ``attn_begin`` includes the extra work of the first
    tile of keys. No reference (the offset of a row's scores) is assumed to move: of 240 query tiles of real speech, one
    tile moved one in its first key tile.
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
    """Return best and nominal cycles for each score (query-key pair), both products included, over a long key row."""
    steps = [cycles()[name] for name in ("attn_scores", "attn_values")]
    return sum(step.best for step in steps) / SCORES, sum(step.nominal for step in steps) / SCORES


def _weigh() -> Schedule:
    """Schedule one pass of ``weigh`` in attention.cc: scores of 16 keys x 8 queries, and their softmax weights P."""
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
    """Schedule one pass of O += P V in attention.cc: 16 queries x 8 dims of the output O, over the tile's 64 keys."""
    code = Schedule()
    sums = [code.issue(LOAD_SUM, times=2) for _ in range(8)]
    for done in _product(code, sums, left=4, right=2, turned=True):
        code.issue(STORE, done, times=2)
    return code


def _totals() -> Schedule:
    """Schedule one pass of the sums of the softmax weights P: those of 16 queries over the tile's 64 keys."""
    code = Schedule()
    sums = [code.issue(LOAD_SUM, times=2) for _ in range(4)]
    for done in _product(code, sums, left=4, right=1):
        code.issue(STORE, done, times=2)
    return code


def _product(code: Schedule, sums: list[int], left: int, right: int, *, turned: bool = False) -> list[int]:
    """Schedule left x right sub-tile products over a block, and return the cycles in which the sums are complete.

    ``sums`` are the cycles in which the sums before are ready. With ``turned`` the right operands are shuffled first.
    """
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
    """Schedule the loads of eight queries' score offsets and the stores of their largest scores."""
    code = Schedule()
    for _ in range(2):
        code.issue(LOAD_SUM, times=2)
        code.issue(STORE, code.issue(ALU), times=2)
    return code


def _compare_peaks() -> Schedule:
    """Schedule the reduction of four queries' largest scores and their comparison with the limits of a reference.

    Two results of comparisons become scalars.
    """
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
    """Schedule one pass of the division by the sums of P: four sub-tiles of four queries x eight dims.

    Each half takes three products of the high and low parts of floats.
    """
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
    """Schedule the reciprocals of sixteen sums: a chain of dependent operations with almost nothing beside it."""
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
