"""Straight-line code laid into the issue slots of an AIE2 core, to estimate what a loop's pass takes.

A bundle issues two loads and one store of 32 bytes, one operation of the multiplier and its accumulators (MAC, float or
accumulator add) and one of the vector ALU (shuffle, compare, integer add, register move). Conversions leave through
the store slot; accumulators load through the first load slot only. Slots: decoder tables of xdna-emu
crates/xdna-archspec/decoder_ffi@7380bd56. Latencies: load 7, MAC 5, bf16 MAC and float add 6, accumulator into the next
MAC 3 (its src/interpreter/timing/latency.rs, as the branch penalty); conversion 4, vector ALU 2, a call 20 [guess].

``best`` is a loop pipelined down to its busiest slot; ``nominal`` one in which no pass overlaps the next: the length
of a pass as it is laid out here, and the jump. Bank conflicts and spilled registers are in neither. Modelled: nothing
here was measured.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

CALL = 20  # cycles into a kernel, its modes, and out again
JUMP = 6


@dataclass(frozen=True, slots=True)
class Cycles:
    """Of one call."""

    best: int
    nominal: int


@dataclass(frozen=True, slots=True)
class Unit:
    """The slots that an operation may issue in, and the cycles until its result can be used."""

    slots: tuple[str, ...]
    latency: int


LOAD = Unit(("load a", "load b"), 7)
LOAD_SUM = Unit(("load a",), 7)
STORE = Unit(("store",), 1)
CONVERT = Unit(("store",), 4)
MULTIPLY = Unit(("multiplier",), 5)
MULTIPLY_BF16 = Unit(("multiplier",), 6)
ACCUMULATE = Unit(("multiplier",), 3)  # a MAC whose result only the next MAC takes
ADD_FLOAT = Unit(("multiplier",), 6)
ALU = Unit(("alu",), 2)


@dataclass(slots=True)
class Schedule:
    """Operations in program order, each in the first free cycle of one of its slots after its operands are ready."""

    _taken: set[tuple[str, int]] = field(default_factory=set)
    _length: int = 0

    def issue(self, unit: Unit, *ready: int, times: int = 1) -> int:
        """Issue an operation that holds its slot for ``times`` cycles; the cycle in which its result is ready."""
        earliest = max(ready, default=0)
        cycle, slot = min((self._free(slot, earliest, times), slot) for slot in unit.slots)
        self._taken |= {(slot, cycle + i) for i in range(times)}
        done = cycle + times - 1 + unit.latency
        self._length = max(self._length, done)
        return done

    @property
    def length(self) -> int:
        """Cycles until the last result is ready."""
        return self._length

    @property
    def busiest(self) -> int:
        """Cycles that the slot with most to do is taken."""
        return max(Counter(slot for slot, _ in self._taken).values())

    def _free(self, slot: str, cycle: int, times: int) -> int:
        while any((slot, cycle + i) in self._taken for i in range(times)):
            cycle += 1
        return cycle


def loop(one: Schedule, passes: int) -> Cycles:
    """A call that does nothing but ``passes`` times what was scheduled."""
    return Cycles(CALL + (passes - 1) * one.busiest + one.length, CALL + passes * (one.length + JUMP))
