"""The detection of hazards in DRAM: one task writes words that another reads or writes, and nothing orders the two.

Only a token shows that a task's output is in memory; channels run independently otherwise, and the result of a hazard
depends on their speed. Tasks of one channel run in order. Here an input ends when its last word has been read;
``check.races`` judges from the sequence alone, and more strictly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.array.hardware import WORD_BYTES
from kernels.array.lower.shim_registers import ShimChannel
from kernels.array.lower.stream import ShimTask
from kernels.array.pattern import Pattern
from kernels.errors import SimulationError


@dataclass(frozen=True, slots=True)
class Footprint:
    """The 32-bit words of one launch argument that a task reads or writes, as contiguous runs.

    ``starts`` are the sorted first words of the runs; ``ends[i]`` is the largest end (excluded) of runs 0 to i.
    """

    argument: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def meets(self, other: Footprint) -> int | None:
        """Return the first word that both footprints have, or None if they have none in common."""
        if self.argument != other.argument or self.ends[-1] <= other.starts[0] or other.ends[-1] <= self.starts[0]:
            return None
        before = np.searchsorted(self.starts, other.starts, "right") - 1
        inside = (before >= 0) & (self.ends[before] > other.starts)
        after = np.minimum(before + 1, len(self.starts) - 1)
        ahead = (self.starts[after] >= other.starts) & (self.starts[after] < other.ends)
        words = np.concatenate([other.starts[inside], self.starts[after[ahead]]])
        return int(words.min()) if words.size else None


@dataclass(frozen=True, slots=True)
class Pending:
    """A DMA task that may still be under way; ``step`` is its number in the instruction stream.

    ``footprints`` are the words of launch arguments that the task reads or writes.
    """

    step: int
    task: ShimTask
    footprints: tuple[Footprint, ...]


class Hazards:
    """A record of the tasks of a launch that may still be under way, by channel."""

    def __init__(self) -> None:
        self._pending: dict[ShimChannel, deque[Pending]] = {}

    def start(self, step: int, task: ShimTask) -> None:
        """Record that a task is queued at step ``step``.

        Raises SimulationError if a task of another channel that may still run touches words of this one, and one of the
        two writes.
        """
        new = Pending(step, task, tuple(_footprints(task)))
        for channel, others in self._pending.items():
            if channel != task.channel and "S2MM" in (channel.direction, task.channel.direction):
                for other in others:
                    _compare(new, other)
        self._pending.setdefault(task.channel, deque()).append(new)

    def token(self, channel: ShimChannel) -> None:
        """Record the await of a token of ``channel``.

        The first pending output task with a token has ended, and so have the tasks before it.
        """
        others = self._pending[channel]
        while channel.direction == "S2MM" and not others.popleft().task.token:
            pass

    def ended(self, channel: ShimChannel) -> None:
        """Record that the simulation has finished a task of ``channel``.

        An input is over then; the end of an output is only known by a token.
        """
        if channel.direction == "MM2S":
            self._pending[channel].popleft()

    def unknown(self) -> list[tuple[int, ShimChannel]]:
        """Return step and channel of the outputs that no awaited token has covered: they may end after the launch."""
        outputs = [others for channel, others in self._pending.items() if channel.direction == "S2MM"]
        return [(pending.step, pending.task.channel) for others in outputs for pending in others]


def _compare(new: Pending, other: Pending) -> None:
    for new_words in new.footprints:
        for other_words in other.footprints:
            word = new_words.meets(other_words)
            if word is not None:
                channels = (new.task.channel, other.task.channel)
                does, did = ("writes" if channel.direction == "S2MM" else "reads" for channel in channels)
                raise SimulationError(
                    f"Step {new.step}: {channels[0]} {does} byte {word * WORD_BYTES} of argument {new_words.argument}, "
                    f"which {channels[1]} {did} since step {other.step} with no await in between: the result "
                    "depends on timing."
                )


def _footprints(task: ShimTask) -> Iterator[Footprint]:
    for argument in dict.fromkeys(descriptor.argument for descriptor in task.chain):
        patterns = [descriptor.pattern for descriptor in task.chain if descriptor.argument == argument]
        runs = [_runs(pattern, task.repeat + 1) for pattern in patterns]
        starts = np.concatenate([start for start, _ in runs])
        ends = np.concatenate([end for _, end in runs])
        order = np.argsort(starts, kind="stable")
        yield Footprint(argument, starts[order], np.maximum.accumulate(ends[order]))


def _runs(pattern: Pattern, passes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first word and the end (excluded) of every contiguous run that the passes visit: int64 [n] each."""
    *outer, inner = pattern.shape
    length = inner.size if inner.stride == 1 else 1
    dims = outer if inner.stride == 1 else [*outer, inner]
    starts = np.array([pattern.start(number) for number in range(min(passes, pattern.step.size))], np.int64)
    for dim in dims:
        starts = (starts[:, None] + np.arange(dim.size, dtype=np.int64) * dim.stride).reshape(-1)
    return starts, starts + length
