"""The simulated controller of the NPU, which queues the tasks of an instruction stream and waits for tokens.

The simulated controller takes no time: it queues the next task as soon as a token permits. So queues are as full, and
reads of DRAM as early, as they ever get on the chip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from kernels.array.hardware import QUEUED_TASKS, WORD_BYTES
from kernels.array.lower.shim_registers import ShimChannel
from kernels.array.lower.stream import Descriptor, ShimTask, Wait
from kernels.array.simulate.fifos import Ready, Words
from kernels.array.simulate.hazards import Hazards
from kernels.array.simulate.shim_dma import ChannelProcess
from kernels.errors import SimulationError


class Controller:
    """A simulated process that runs the tasks and waits of one instruction stream, in order."""

    name = "the controller"

    def __init__(self, channels: Mapping[ShimChannel, ChannelProcess], ready: Ready) -> None:
        self.channels = channels
        self.steps: Sequence[ShimTask | Wait] = ()
        self.at = 0
        self.waits_for: ChannelProcess | None = None
        self._arguments: Sequence[Words] = ()
        self._tokens: Counter[ShimChannel] = Counter()
        self._hazards = Hazards()
        self._ready = ready
        for channel in channels.values():
            channel.on_end = partial(self._end, channel)

    def begin(self, steps: Sequence[ShimTask | Wait], arguments: Sequence[Words]) -> None:
        """Start a new launch: reset the controller and the channels, and make the controller ready to run ``steps``.

        ``arguments`` are the memory of the launch arguments.
        """
        self.steps, self.at, self._arguments = steps, 0, arguments
        self._tokens.clear()
        self._hazards = Hazards()
        for channel in self.channels.values():
            channel.begin(arguments)
        self._ready.appendleft(self)

    @property
    def ended(self) -> bool:
        """True after the last step of the stream."""
        return self.at == len(self.steps)

    @property
    def unknown(self) -> list[tuple[int, ShimChannel]]:
        """Step and channel of each output task that no wait has covered, so that it may end after the launch."""
        return self._hazards.unknown()

    def step(self) -> None:
        """Run the stream's steps until the end, or until a wait for a token that has not come yet.

        Raises SimulationError for a task that the chip would do wrong without a report.
        """
        while self.at < len(self.steps):
            step = self.steps[self.at]
            channel = self.channels.get(step.channel)
            if channel is None:
                raise SimulationError(f"Step {self.at}: no FIFO goes through {step.channel}.")
            if isinstance(step, ShimTask):
                self._check(step, channel)
                self._hazards.start(self.at, step)
                channel.push(step)
            elif self._tokens[step.channel]:
                self._tokens[step.channel] -= 1
                self._hazards.token(step.channel)
            else:
                self.waits_for = channel
                return
            self.at += 1

    def _end(self, channel: ChannelProcess, task: ShimTask) -> None:
        self._hazards.ended(channel.channel)
        self._tokens[channel.channel] += task.token
        if task.token and self.waits_for is channel:
            self.waits_for = None
            self._ready.appendleft(self)

    def _check(self, task: ShimTask, channel: ChannelProcess) -> None:
        """Raise SimulationError for a full queue, a descriptor still in use, or a transfer outside its argument."""
        if len(channel.queue) == QUEUED_TASKS:
            raise SimulationError(
                f"Step {self.at}: {channel.name} has {QUEUED_TASKS} tasks queued already; await one first."
            )
        column = [other for other in self.channels.values() if other.channel.column == task.channel.column]
        queued = {used.bd for other in column for pending in other.queue for used in pending.chain}
        for descriptor in task.chain:
            if descriptor.bd in queued:
                raise SimulationError(
                    f"Step {self.at}: BD {descriptor.bd} of column {task.channel.column} is written again while a task "
                    "that uses it has not ended."
                )
            self._check_range(descriptor, task.repeat + 1, channel)

    def _check_range(self, descriptor: Descriptor, passes: int, channel: ChannelProcess) -> None:
        if descriptor.argument >= len(self._arguments):
            raise SimulationError(
                f"Step {self.at}: argument {descriptor.argument} of a launch with {len(self._arguments)}."
            )
        nbytes = self._arguments[descriptor.argument].size * WORD_BYTES
        first, end = (words * WORD_BYTES for words in descriptor.pattern.extent(passes))
        if end > nbytes:
            raise SimulationError(
                f"Step {self.at}: BD {descriptor.bd} of {channel.name} goes from byte {first} to {end} of argument "
                f"{descriptor.argument}, which has {nbytes}."
            )
