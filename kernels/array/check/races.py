"""The search for two unordered tasks that touch the same elements of an argument, one of them writing.

Only tasks of one channel run in order. A task that reads elements that another channel may still be writing must start
after that task is awaited; a task that writes must start after the readers are known to have ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from kernels.array.pattern import Pattern, pattern
from kernels.array.sequence import Start


@dataclass(frozen=True, slots=True)
class Touched:
    """The elements of one launch argument that a transfer reads or writes in all its passes.

    All of them lie in ``first`` to ``end`` - 1; ``visited`` is the access pattern, repeated ``passes`` times.
    """

    argument: str
    first: int
    end: int
    visited: Pattern
    passes: int

    def elements(self) -> NDArray[np.int64]:
        """Return the sorted, distinct element numbers that the transfer visits: int64 [n]."""
        passes = range(min(self.passes, self.visited.step.size))
        return np.unique(np.concatenate([self.visited.indices(number) for number in passes]))


def touched(start: Start) -> tuple[Touched, ...]:
    """Return the elements that each transfer of a task visits, in order; invalid transfers are left out."""
    found = []
    for transfer in start.transfers:
        try:
            visited = pattern(transfer)
        except ValueError:
            continue
        passes = start.repeat + 1
        found.append(Touched(transfer.argument, *visited.extent(passes), visited, passes))
    return tuple(found)


def shared(first: tuple[Touched, ...], second: tuple[Touched, ...]) -> str | None:
    """Return the name of an argument of which two tasks visit a common element, or None."""
    for a, b in product(first, second):
        if a.argument == b.argument and a.first < b.end and b.first < a.end:
            runs = a.visited.contiguous and b.visited.contiguous and a.passes == b.passes == 1
            if runs or np.intersect1d(a.elements(), b.elements(), assume_unique=True).size:
                return a.argument
    return None
