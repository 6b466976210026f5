"""Cycles of the matmul kernels on one AIE2 core, counted by issue slots. Modelled: nothing here was measured.

A bundle issues at most two loads and one store of 32 bytes, one operation of the multiplier with its accumulators (MAC,
float and accumulator add) and one of the vector ALU (shuffle, compare, integer add); conversions leave through the
store slot, accumulators load through the first load slot only. Slots: decoder tables of xdna-emu
crates/xdna-archspec/decoder_ffi@7380bd56. Latencies: load 7, MAC 5, bf16 MAC and float add 6
(src/interpreter/timing/latency.rs there), conversion 4 and vector ALU 2 [guess].

``best`` is a loop pipelined down to its busiest slot; ``nominal`` one in which no pass overlaps the next: the length
of one pass as a list scheduler lays it out, and 6 cycles for the jump. Bank conflicts and spilled registers are in
neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels.matmul.blocks import STRIP, TILE

CALL = 20  # into the kernel, modes, out again [guess]
JUMP = 6  # branch penalty (xdna-emu latency.rs)


@dataclass(frozen=True, slots=True)
class Cycles:
    """Of one call."""

    best: int
    nominal: int


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of a loop: cycles that its busiest slot is taken, and from its first instruction to its last."""

    busiest: int
    length: int

    def times(self, passes: int) -> Cycles:
        return Cycles(CALL + (passes - 1) * self.busiest + self.length, CALL + passes * (self.length + JUMP))


# A square of 16 x 16 sums over 64 (bf16) or 128 (int8) of k: 128 MACs, 160 loads (32 of them into accumulators), 32
# stores. Before the first MAC 10 cycles; the first sums load, and the last ones store, while others still multiply.
SQUARE = Pass(busiest=128, length=162)
SQUARE_I8 = Pass(busiest=128, length=180)
# Sub-tiles of 4 x 8 results, as many at once as the loop is unrolled: (loads, stores and conversions, multiplier, ALU).
OUT = Pass(busiest=16, length=37)  # four at once: 16, 16, 8, 4
OUT_GELU = Pass(busiest=30, length=101)  # two: 8, 20, 30, 24
OUT_I8 = Pass(busiest=22, length=67)  # two: 12, 18, 22, 8
OUT_I8_GELU = Pass(busiest=48, length=140)  # two: 12, 30, 48, 30
ZERO = Pass(busiest=16, length=16)  # 512 bytes
COPY = Pass(busiest=8, length=16)  # 256 bytes
SCALES = Pass(busiest=8, length=24)  # 16 rows


def cycles(gelu: bool, tile: int = TILE) -> dict[str, Cycles]:
    """Of one call of each function of matmul.cc, by name; ``gelu`` says which epilogue runs."""
    squares = (tile // STRIP) ** 2
    subtiles = tile * tile // 32
    table = min(tile * tile // 2, 1024)
    return {
        "gemm_cmd": Cycles(CALL, CALL + 12),
        "gemm_table": COPY.times(table // 64),
        "gemm_zero": ZERO.times(tile * tile // 128),
        "gemm_mac": _partly(SQUARE, tile).times(squares),
        "gemm_mac_i8": _partly(SQUARE_I8, tile).times(squares),
        "gemm_scales": SCALES.times(tile // 16),
        "gemm_out": OUT_GELU.times(subtiles // 2) if gelu else OUT.times(subtiles // 4),
        "gemm_out_i8": (OUT_I8_GELU if gelu else OUT_I8).times(subtiles // 2),
    }


def _partly(square: Pass, tile: int) -> Pass:
    """A square over fewer steps of k: what is not multiplied away stays. 16 loads or stores bound it from below."""
    macs = square.busiest * tile // TILE
    return Pass(max(macs, 32), square.length - square.busiest + macs)
