"""A scheduler of straight-line code in the issue slots of an AIE2 core, which estimates the cycles of a loop.

A bundle (the instructions of one cycle) issues two loads and one store of 32 bytes, one operation of the multiplier and
its accumulators (MAC, float or accumulator add) and one of the vector ALU (shuffle, compare, integer add, register
move). Conversions leave through the store slot; accumulators load through the first load slot only. Slots: decoder
tables of xdna-emu crates/xdna-archspec/decoder_ffi@7380bd56. Latencies: load 7, MAC 5, bf16 MAC and float add 6,
accumulator into the next MAC 3 (its src/interpreter/timing/latency.rs, as the branch penalty); conversion 4, vector ALU
2, a call 20 [guess].

``best`` is the time of a loop that is pipelined down to its busiest slot, ``nominal`` that of a loop whose passes do
not overlap: the length of a pass as scheduled here, and the jump. Neither includes bank conflicts or spilled registers.
Modelled: nothing here was measured.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

CALL = 20  # cycles to enter a kernel function, set its modes, and return [guess]
JUMP = 6  # cycles of a taken branch


@dataclass(frozen=True, slots=True)
class Cycles:
    """Modelled clock cycles of one kernel call.

    ``best`` assumes that loops are pipelined down to their busiest issue slot, ``nominal`` that passes of a loop do not
    overlap.
    """

    best: int
    nominal: int


@dataclass(frozen=True, slots=True)
class Unit:
    """A kind of operation: the issue slots that it may use, and the cycles (``latency``) until its result is ready."""

    slots: tuple[str, ...]
    latency: int


LOAD = Unit(("load a", "load b"), 7)
LOAD_SUM = Unit(("load a",), 7)
STORE = Unit(("store",), 1)
CONVERT = Unit(("store",), 4)
MULTIPLY = Unit(("multiplier",), 5)
MULTIPLY_BF16 = Unit(("multiplier",), 6)
ACCUMULATE = Unit(("multiplier",), 3)  # a MAC whose result only the next MAC uses
ADD_FLOAT = Unit(("multiplier",), 6)
ALU = Unit(("alu",), 2)


@dataclass(slots=True)
class Schedule:
    """A growing schedule: ``issue`` places an operation in the first cycle with a free slot and ready operands.

    >>> code = Schedule()
    >>> product = code.issue(MULTIPLY_BF16, code.issue(LOAD), code.issue(LOAD))
    >>> loop(code, passes=16).best
    """

    _taken: set[tuple[str, int]] = field(default_factory=set)
    _length: int = 0

    def issue(self, unit: Unit, *ready: int, times: int = 1) -> int:
        """Place an operation that takes its slot for ``times`` cycles, and return the cycle when its result is ready.

        ``ready`` are the cycles in which its operands are ready, as earlier calls of ``issue`` returned them.
        """
        earliest = max(ready, default=0)
        cycle, slot = min((self._free(slot, earliest, times), slot) for slot in unit.slots)
        self._taken |= {(slot, cycle + i) for i in range(times)}
        done = cycle + times - 1 + unit.latency
        self._length = max(self._length, done)
        return done

    @property
    def length(self) -> int:
        """Cycles from the start until the last result is ready."""
        return self._length

    @property
    def busiest(self) -> int:
        """The number of cycles in which the most used issue slot is taken."""
        return max(Counter(slot for slot, _ in self._taken).values())

    def _free(self, slot: str, cycle: int, times: int) -> int:
        while any((slot, cycle + i) in self._taken for i in range(times)):
            cycle += 1
        return cycle


def loop(body: Schedule, passes: int) -> Cycles:
    """Return the cycles of a kernel call that consists of one loop: ``passes`` passes over the scheduled ``body``."""
    return Cycles(CALL + (passes - 1) * body.busiest + body.length, CALL + passes * (body.length + JUMP))
