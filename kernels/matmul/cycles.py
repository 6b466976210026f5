"""The modelled cycles of the matmul kernels on one AIE2 core, from schedules of their loops; nothing was measured.

kernels/schedule.py defines ``best``, ``nominal``, slots and latencies.
"""

from __future__ import annotations

from functools import cache

from kernels.matmul.blocks import DEEP, STRIP, TILE
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

ROWS = 4  # sub-tiles of a square above each other
HALVES = range(2)  # float adds and conversions take 16 of a sub-tile's 32 values


@cache
def cycles(gelu: bool, tile: int = TILE) -> dict[str, Cycles]:
    """Return the modelled cycles of one call of each function of matmul.cc, by name, with or without GELU at the end.

    ``tile`` is the edge of a block.
    """
    squares = (tile // STRIP) ** 2
    subtiles = tile * tile // 32
    at_once = 2 if gelu else 4
    return {
        "gemm_cmd": Cycles(CALL, CALL + 12),
        "gemm_table": loop(_copy(8), min(tile * tile // 2, 1024) // 64),
        "gemm_zero": loop(_copy(16, zeros=True), tile * tile // 128),
        "gemm_mac": loop(_square(tile // 8, columns=4, sums=2), squares),
        "gemm_mac_i8": loop(_square(tile // 4, columns=2, sums=4), squares),
        "gemm_scales": loop(_scales(), tile // 16),
        "gemm_out": loop(_out(at_once, gelu), subtiles // at_once),
        "gemm_out_i8": loop(_out_i8(2, gelu), subtiles // 2),
    }


def _copy(stores: int, *, zeros: bool = False) -> Schedule:
    code = Schedule()
    for _ in range(stores):
        code.issue(STORE, 0 if zeros else code.issue(LOAD))
    return code


def _square(steps: int, columns: int, sums: int) -> Schedule:
    """Schedule the product of a square of 16 x 16 results, over ``steps`` sub-tiles of the inner dimension.

    ``columns`` sub-tiles lie side by side in the square; the sums of a sub-tile are ``sums`` registers of 32 bytes.
    """
    code = Schedule()
    mac = MULTIPLY_BF16 if columns == 4 else MULTIPLY
    bytes_32 = 2 if columns == 4 else 1  # of an activation sub-tile
    ready = {(j, i): code.issue(LOAD_SUM, times=sums) for j in range(columns) for i in range(ROWS)}
    for k in range(0, steps, DEEP):
        rows = [[code.issue(LOAD, times=bytes_32) for _ in range(ROWS)] for _ in range(DEEP)]
        for j in range(columns):
            for d in range(DEEP):
                column = code.issue(LOAD, times=2)
                for i in range(ROWS):
                    unit = mac if k + d == steps - 1 else ACCUMULATE
                    ready[j, i] = code.issue(unit, ready[j, i], rows[d][i], column)
    for done in ready.values():
        code.issue(STORE, done, times=sums)
    return code


def _scales() -> Schedule:
    code = Schedule()
    once = code.issue(CONVERT, code.issue(LOAD_SUM, times=2))
    twice = code.issue(ALU, once)
    for _ in range(2):
        four = code.issue(ALU, twice)
        for _ in range(2):
            code.issue(STORE, code.issue(ALU, four), times=2)
    return code


def _out(at_once: int, gelu: bool) -> Schedule:
    """Schedule one pass of the bf16 epilogue, on ``at_once`` sub-tiles of 4 x 8 results.

    The steps are bias, GELU, rounding to bf16, and interleaving of two halves.
    """
    code = Schedule()
    sums = [[code.issue(LOAD_SUM, times=2) for _ in HALVES] for _ in range(at_once)]
    x = [[code.issue(ADD_FLOAT, half) for half in each] for each in sums]
    for each in _gelu(code, x) if gelu else x:
        halves = [code.issue(CONVERT, half) for half in each]
        code.issue(STORE, code.issue(ALU, *halves), times=2)
    return code


def _out_i8(at_once: int, gelu: bool) -> Schedule:
    """Schedule one pass of the int8 epilogue, on ``at_once`` sub-tiles of 4 x 8 results.

    The steps are int32 to float, column scale, row scale, bias, GELU. The upper half of a bf16 operand is zeroed.
    """
    code = Schedule()
    sums = [code.issue(LOAD_SUM, times=4) for _ in range(at_once)]
    high = [code.issue(CONVERT, each) for each in sums]
    low = [code.issue(MULTIPLY, code.issue(MULTIPLY, *each)) for each in zip(sums, high, strict=True)]
    steps = [code.issue(MULTIPLY, each) for each in high]
    exact = [[code.issue(ADD_FLOAT, each) for _ in HALVES] for each in steps]
    x = [[code.issue(ADD_FLOAT, half, below) for half in each] for each, below in zip(exact, low, strict=True)]
    for _ in range(2):
        operands = [[code.issue(ALU, code.issue(CONVERT, half)) for half in each] for each in x]
        scales = [code.issue(LOAD, times=2) for _ in range(at_once)]
        x = [[code.issue(MULTIPLY_BF16, half, s) for half in each] for each, s in zip(operands, scales, strict=True)]
    for each in _gelu(code, x) if gelu else x:
        code.issue(STORE, *(code.issue(CONVERT, half) for half in each), times=2)
    return code


def _gelu(code: Schedule, x: list[list[int]]) -> list[list[int]]:
    """Schedule the GELU of gelu/gelu.h for sub-tiles side by side, and return the cycles in which results are ready.

    ``x`` has the cycles in which the two halves of each sub-tile are ready, and so has the result.
    """
    steps = [[code.issue(ADD_FLOAT, half) for half in each] for each in x]
    fixed = [code.issue(CONVERT, code.issue(MULTIPLY, *each)) for each in steps]
    u = [code.issue(ALU, each) for each in fixed]
    z = [code.issue(ALU, each) for each in u]
    square = [code.issue(CONVERT, code.issue(MULTIPLY, each)) for each in z]
    root = [code.issue(ALU, code.issue(CONVERT, code.issue(MULTIPLY, each))) for each in z]
    for _ in range(2):
        begun = [code.issue(ACCUMULATE, each) for each in z]
        sums = [code.issue(MULTIPLY, *each) for each in zip(begun, root, square, strict=True)]
        root = [code.issue(ALU, code.issue(CONVERT, each)) for each in sums]
    products = [code.issue(CONVERT, code.issue(MULTIPLY, *each)) for each in zip(u, root, strict=True)]
    h = [code.issue(MULTIPLY, *each) for each in zip(products, root, strict=True)]
    positive = x
    for _ in range(3):  # out of the accumulator, maximum, back
        positive = [[code.issue(ALU, half) for half in each] for each in positive]
    return [[code.issue(ADD_FLOAT, half, below) for half in each] for each, below in zip(positive, h, strict=True)]
