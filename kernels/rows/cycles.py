"""The modelled cycles of the row kernels on one AIE2 core, from schedules of their loops; nothing was measured.

The figures are for an array of four columns. kernels/schedule.py defines ``best``, ``nominal``, slots and latencies.
"""

from __future__ import annotations

from functools import cache

from kernels.schedule import (
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

PART = 1024  # elements of a block that a core takes: 16 rows of 64 columns
GROUP = 4096  # of acc
PAIRS = 8  # of rows
UNROLLED = 4  # vectors of 16 elements, or of 32 in the int8 kernels


@cache
def cycles() -> dict[str, Cycles]:
    """Return the modelled cycles of one call of each function of rows.cc, by name.

    ``row_out`` is the mean of the three calls for a group of column blocks: both halves of the sum, the first of them
    with the statistics, and the layer norm. Work that is done once for a row is counted for rows of two groups (512
    columns).
    """
    passes = GROUP // 16 // UNROLLED
    once = [loop(_gather(), PAIRS * 2), loop(_totals(), PAIRS), loop(_finish(), 1)]
    out = [loop(_gather(), passes), *[loop(_totals(), PAIRS)] * 2, *[loop(_half(), passes)] * 2]
    out += [loop(_normalise(), passes)]
    return {
        "row_load": loop(_load(), PART // 16 // UNROLLED),
        "row_add": loop(_add(), PART // 16 // UNROLLED),
        "row_out": Cycles(
            CALL + (sum(part.best for part in out) + sum(part.best for part in once) // 2) // 3,
            CALL + (sum(part.nominal for part in out) + sum(part.nominal for part in once) // 2) // 3,
        ),
        "quant_max": loop(_largest(), 4),
        "quant_scale": loop(_scale(), 1),
        "quant_out": loop(_quantise(), PART // 32 // UNROLLED),
    }


def _load() -> Schedule:
    code = Schedule()
    for _ in range(UNROLLED):
        code.issue(STORE, code.issue(ALU, code.issue(LOAD)), times=2)
    return code


def _add() -> Schedule:
    code = Schedule()
    for _ in range(UNROLLED):
        x = code.issue(LOAD_SUM, times=2)
        for _ in ("low half", "y"):
            x = code.issue(ADD_FLOAT, x, code.issue(ALU, code.issue(LOAD)))
        code.issue(STORE, x, times=2)
    return code


def _gather() -> Schedule:
    code = Schedule()
    sums = squares = 0
    for _ in range(UNROLLED):
        x = code.issue(ADD_FLOAT, code.issue(LOAD_SUM, times=2))
        square = _times(code, _split(code, x))
        sums, squares = code.issue(ADD_FLOAT, sums, x), code.issue(ADD_FLOAT, squares, square)
    return code


def _half() -> Schedule:
    code = Schedule()
    for _ in range(UNROLLED):
        code.issue(STORE, *_split(code, code.issue(LOAD_SUM, times=2), zeroed=False))
    return code


def _normalise() -> Schedule:
    code = Schedule()
    for _ in range(UNROLLED):
        x = code.issue(ADD_FLOAT, code.issue(LOAD_SUM, times=2))
        code.issue(STORE, code.issue(CONVERT, _times(code, _split(code, x))))
    return code


def _totals() -> Schedule:
    """Schedule the addition of two rows' sums, each over eight lanes, to memory; a call that is not inlined."""
    code = Schedule()
    x = code.issue(ADD_FLOAT, code.issue(ALU, code.issue(LOAD)))
    for _ in range(2):
        total = x
        for _ in range(3):
            total = code.issue(ADD_FLOAT, code.issue(ALU, code.issue(ALU, total)))
        code.issue(STORE, code.issue(ALU, total))
    code.issue(ALU, code.issue(ALU, x), times=CALL)
    return code


def _finish() -> Schedule:
    """Schedule the mean, variance and reciprocal root (two Newton steps) of sixteen rows: a chain of operations."""
    code = Schedule()
    mean = _times(code, _split(code, code.issue(LOAD_SUM, times=2)))
    squares = _times(code, _split(code, code.issue(LOAD_SUM, times=2)))
    x = code.issue(ADD_FLOAT, code.issue(ADD_FLOAT, squares, _times(code, _split(code, mean))))
    for unit in (CONVERT, MULTIPLY_BF16, CONVERT, ALU, MULTIPLY, CONVERT, ALU, *(MULTIPLY_BF16, CONVERT, ALU) * 4):
        x = code.issue(unit, x)
    for _ in range(2):
        square = _split(code, _times(code, _split(code, x)))
        error = code.issue(CONVERT, _times(code, square))
        half = code.issue(CONVERT, code.issue(MULTIPLY_BF16, code.issue(ALU, error)))
        x = code.issue(MULTIPLY_BF16, code.issue(ALU, half))
    code.issue(STORE, x, times=2)
    return code


def _largest() -> Schedule:
    """Schedule the search for the largest magnitudes of four rows of 64 columns."""
    code = Schedule()
    most = 0
    for _ in range(8):
        most = code.issue(ALU, most, code.issue(ALU, code.issue(LOAD, times=2)))
    code.issue(STORE, most, times=2)
    return code


def _scale() -> Schedule:
    """Schedule the scales of sixteen rows: maxima over lanes, stored singly, then a product and a reciprocal."""
    code = Schedule()
    for _ in range(4):
        most = code.issue(LOAD, times=2)
        for _ in range(6):
            most = code.issue(ALU, most)
        for _ in range(4):
            code.issue(STORE, code.issue(ALU, most))
    x = code.issue(LOAD, code.length)
    for unit in (ALU, MULTIPLY_BF16, MULTIPLY_BF16, ALU, ALU, CONVERT, *(MULTIPLY_BF16, CONVERT, ALU) * 5):
        x = code.issue(unit, x)
    for _ in range(2):
        x = code.issue(MULTIPLY_BF16, code.issue(ALU, code.issue(CONVERT, _times(code, _split(code, x)))))
    code.issue(STORE, x, times=2)
    return code


def _quantise() -> Schedule:
    code = Schedule()
    for _ in range(UNROLLED):
        x = code.issue(ALU, code.issue(LOAD, times=2), times=2)
        halves = [code.issue(MULTIPLY_BF16, code.issue(MULTIPLY_BF16, x)) for _ in range(2)]
        code.issue(STORE, code.issue(CONVERT, *(code.issue(ADD_FLOAT, half) for half in halves)))
    return code


def _split(code: Schedule, x: int, *, zeroed: bool = True) -> tuple[int, int]:
    """Schedule the split of a float into two bf16, and return the cycles in which the high and low part are ready.

    With ``zeroed`` the parts are operands of a product, whose unused upper halves must be zeroed.
    """
    high = code.issue(CONVERT, x)
    low = code.issue(CONVERT, code.issue(ADD_FLOAT, x, high))
    return (code.issue(ALU, high), code.issue(ALU, low)) if zeroed else (high, low)


def _times(code: Schedule, operands: tuple[int, int]) -> int:
    product = code.issue(MULTIPLY_BF16, *operands)
    for _ in range(2):
        product = code.issue(MULTIPLY_BF16, product)
    return product
