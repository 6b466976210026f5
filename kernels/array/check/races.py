"""Tasks in flight together that touch the same elements, one of them writing: which comes first is left to chance.

Order holds on one channel only. A task that reads what another channel may still be writing must start after that one
is awaited; one that writes must start after the readers are known to have ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from kernels.array.design import Start
from kernels.array.pattern import Pattern, pattern


@dataclass(frozen=True, slots=True)
class Touched:
    """The elements of one argument that a transfer visits in all its passes; they lie in ``first`` to ``end`` - 1."""

    argument: str
    first: int
    end: int
    visited: Pattern
    passes: int

    def elements(self) -> NDArray[np.int64]:
        """Each element once, in order."""
        passes = range(min(self.passes, self.visited.step.size))
        return np.unique(np.concatenate([self.visited.indices(number) for number in passes]))


def touched(start: Start) -> tuple[Touched, ...]:
    """What a task visits, transfer by transfer; nothing where a transfer makes no sense."""
    found = []
    for transfer in start.transfers:
        try:
            visited = pattern(transfer)
        except ValueError:
            continue
        passes = start.repeat + 1
        found.append(Touched(transfer.argument, *visited.extent(passes), visited, passes))
    return tuple(found)


def shared(one: tuple[Touched, ...], other: tuple[Touched, ...]) -> str | None:
    """The argument of which both visit an element, if there is one."""
    for mine, theirs in product(one, other):
        if mine.argument == theirs.argument and mine.first < theirs.end and theirs.first < mine.end:
            runs = mine.visited.contiguous and theirs.visited.contiguous and mine.passes == theirs.passes == 1
            if runs or np.intersect1d(mine.elements(), theirs.elements(), assume_unique=True).size:
                return mine.argument
    return None
