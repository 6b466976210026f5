"""The count of kernel calls and FIFO acquires that a core's program makes for one command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from kernels.array.program import Acquire, BufferWord, Call, Core, Loop, Statement


def count(core: Core, value: Callable[[BufferWord], int]) -> Counter[str]:
    """Return how often one pass over a core's program calls each kernel and acquires an object of each FIFO, by name.

    ``value`` returns the value of a word of the command that is the count of a loop. FIFOs and kernels never share a
    name (check.py).
    """
    return _count(core.body, value)


def _count(body: tuple[Statement, ...], value: Callable[[BufferWord], int]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for statement in body:
        match statement:
            case Call(kernel=name) | Acquire(fifo=name):
                counts[name] += 1
            case Loop(count=times, body=inner):
                passes = value(times) if isinstance(times, BufferWord) else times
                if passes:
                    for name, each in _count(inner, value).items():
                        counts[name] += passes * each
            case _:
                pass
    return counts
