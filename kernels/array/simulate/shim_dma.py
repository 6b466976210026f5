"""The simulated DMA channels of the shims, which run queued tasks on the arguments of a launch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from kernels.array.hardware import WORD_BYTES
from kernels.array.lower.shim_registers import ShimChannel
from kernels.array.lower.stream import Descriptor, ShimTask
from kernels.array.pattern import Pattern
from kernels.array.simulate.fifos import Reader, Ready, Ring, Words, Writer
from kernels.array.simulate.network import Order


class ChannelProcess:
    """A simulated DMA channel of a shim, with its queue of tasks; the base class of input and output channels.

    ``on_end`` is called with each task that has ended. ``peak`` is the most tasks queued at once in the launch, the
    running one included.
    """

    def __init__(self, channel: ShimChannel, ready: Ready) -> None:
        self.channel = channel
        self.name = str(channel)
        self.queue: deque[ShimTask] = deque()
        self.arguments: Sequence[Words] = ()
        self.on_end: Callable[[ShimTask], None] = lambda _: None
        self.bytes_moved = self.peak = 0
        self._passes: Iterator[tuple[int, Descriptor]] = iter(())
        self._at = self._left = 0  # words of the pass
        self._idle = True
        self._ready = ready

    def begin(self, arguments: Sequence[Words]) -> None:
        """Start a new launch: set the memory of the launch arguments, and reset the counts."""
        self.arguments = arguments
        self.bytes_moved = self.peak = 0

    def push(self, task: ShimTask) -> None:
        """Append a task to the queue, and make the channel ready to run if it is idle."""
        self.queue.append(task)
        self.peak = max(self.peak, len(self.queue))
        if len(self.queue) == 1:
            self._passes = _passes(task)
        if self._idle:
            self._idle = False
            self._ready.append(self)

    def step(self) -> None:
        """Move words until there is no task, no object to send, or no free slot to fill."""
        raise NotImplementedError

    @property
    def begun(self) -> int:
        """The number of 32-bit words of the current object that are still to be moved; 0 between objects."""
        raise NotImplementedError

    @property
    def where(self) -> str:
        """The first task of the queue and its progress, as text."""
        return self._task + (f", {self.begun * WORD_BYTES} B of an object to go" if self.begun else "")

    @property
    def _task(self) -> str:
        if not self.queue:
            return "no task"
        bds = ", ".join(str(descriptor.bd) for descriptor in self.queue[0].chain)
        queued = f"{len(self.queue)} task{'s' if len(self.queue) > 1 else ''} queued"
        return f"{queued}, in front that of BD {bds} with {self._left * WORD_BYTES} B of a pass to go"

    def _load(self) -> bool:
        """End finished tasks and begin the next pass if the current one is over; return whether there is one."""
        while not self._left:
            following = next(self._passes, None)
            if following is not None:
                number, descriptor = following
                self._at, self._left = 0, descriptor.pattern.length
                self._begin(self.arguments[descriptor.argument], descriptor.pattern, number)
            elif not self._finish():
                return False
        return True

    def _begin(self, memory: Words, pattern: Pattern, number: int) -> None:
        """Begin pass ``number`` of an access pattern over ``memory``, the words of a launch argument."""
        raise NotImplementedError

    def _finish(self) -> bool:
        """End the first task of the queue, and return whether there is another one."""
        if self.queue:
            self.on_end(self.queue.popleft())
            if self.queue:
                self._passes = _passes(self.queue[0])
                return True
        self._idle = True
        return False

    def _moved(self, words: int) -> None:
        self._at += words
        self._left -= words
        self.bytes_moved += words * WORD_BYTES


class InputChannel(ChannelProcess):
    """A shim channel that reads DRAM (MM2S): moves words from launch arguments into the first rings of a FIFO.

    A strided pass is read whole when it begins.
    """

    def __init__(self, channel: ShimChannel, groups: Sequence[Sequence[Ring]], ready: Ready) -> None:
        super().__init__(channel, ready)
        self.writer = Writer(groups, self)

    def step(self) -> None:
        writer = self.writer
        while self._load() and writer.ready():
            count = min(self._left, writer.left)
            writer.write(self._words[self._at : self._at + count])
            self._moved(count)

    @property
    def begun(self) -> int:
        return self.writer.left if self.writer.at else 0

    def _begin(self, memory: Words, pattern: Pattern, number: int) -> None:
        self._words: Words = pattern.take(memory, number)


class OutputChannel(ChannelProcess):
    """A shim channel that writes DRAM (S2MM): moves words from the last rings of a FIFO into launch arguments."""

    def __init__(self, channel: ShimChannel, rings: Sequence[Ring], order: Order | None, ready: Ready) -> None:
        super().__init__(channel, ready)
        self.reader = Reader(rings, self, order)

    def step(self) -> None:
        reader = self.reader
        while self._load() and reader.ready():
            words = reader.take(min(self._left, reader.left))
            self._store(words)
            reader.done()
            self._moved(len(words))

    @property
    def begun(self) -> int:
        return self.reader.left

    def _begin(self, memory: Words, pattern: Pattern, number: int) -> None:
        self._memory, self._pattern, self._number = memory, pattern, number
        self._view = pattern.view(memory, number)
        self._inner = self._view[0].size  # words of the view's outermost dimension, 1 where it has only one

    def _store(self, words: Words) -> None:
        at, inner, view = self._at, self._inner, self._view
        if at % inner == 0 and len(words) % inner == 0:
            view[at // inner : (at + len(words)) // inner] = words.reshape(-1, *view.shape[1:])
        else:
            self._pattern.put(self._memory, words, self._number, at)


def _passes(task: ShimTask) -> Iterator[tuple[int, Descriptor]]:
    return ((number, descriptor) for number in range(task.repeat + 1) for descriptor in task.chain)
