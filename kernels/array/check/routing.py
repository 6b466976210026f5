"""Check that the streams between tiles can be routed, by a lower bound on the ports that they need.

A stream switch passes six streams north, four south, and four to each side (none from a memtile). This file finds no
routes; but however mlir-aie routes, streams that must cross a line through the array need that many ports on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kernels.array.design import Design
from kernels.array.hardware import PORTS_NORTH, PORTS_SIDE, PORTS_SOUTH, ROWS, SIDE_ROWS
from kernels.errors import Violation


@dataclass(frozen=True, slots=True)
class Cut:
    """A line between two rows or columns that ``streams`` streams cross, all in one direction.

    ``ports`` is the number of stream switch ports through the line.
    """

    name: str
    streams: int
    ports: int


def cuts(design: Design) -> tuple[Cut, ...]:
    """Return the lines between two rows or columns that streams cross, one entry for each direction of crossing."""
    rows = [(fifo.source.row, [tile.row for tile in fifo.targets]) for fifo in design.fifos]
    cols = [(fifo.source.col, [tile.col for tile in fifo.targets]) for fifo in design.fifos]
    found = []
    for row in ROWS[:-1]:
        up, down = _crossing(rows, row)
        found.append(Cut(f"north from row {row}", up, PORTS_NORTH * design.columns))
        found.append(Cut(f"south to row {row}", down, PORTS_SOUTH * design.columns))
    for col in range(design.columns - 1):
        up, down = _crossing(cols, col)
        found.append(Cut(f"east from column {col}", up, PORTS_SIDE * len(SIDE_ROWS)))
        found.append(Cut(f"west to column {col}", down, PORTS_SIDE * len(SIDE_ROWS)))
    return tuple(cut for cut in found if cut.streams)


def _crossing(streams: list[tuple[int, list[int]]], line: int) -> tuple[int, int]:
    """Return how many streams cross from number ``line`` to ``line`` + 1, and how many cross back.

    ``streams`` are the row (or column) of each stream's source and those of its targets; a broadcast is one stream.
    """
    up = sum(source <= line < max(targets) for source, targets in streams)
    down = sum(min(targets) <= line < source for source, targets in streams)
    return up, down


def violations(design: Design) -> Iterator[Violation]:
    """Yield a violation for each line through the array that more streams must cross than it has ports."""
    for cut in cuts(design):
        if cut.streams > cut.ports:
            found, limit = f"{cut.streams} streams go {cut.name}", f"there are {cut.ports} ports"
            cure = "Broadcast, join or distribute in the memtile instead of single streams"
            yield Violation(f"design {design.name}", "routing", found, limit, cure)
