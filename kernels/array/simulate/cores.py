"""The simulated cores: every statement of a program becomes a small function, which a core calls one after the other.

Such a function returns the number of the next function, or its own number inverted (~number, negative) if it must wait
for a FIFO and be called again. The statements themselves are not read while a program runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.array.program import Acquire, BufferWord, Call, Core, Held, Index, Local, Loop, Release, Statement
from kernels.array.simulate.fifos import Ready, Ring, Words
from kernels.array.tile import DType, Tile
from kernels.errors import DesignError

Operation = Callable[[], int]
Pass = list[int]  # of a loop: the number of the current pass, and the number of passes
Loops = tuple[tuple[str, Pass], ...]  # around a statement, outermost first
VIEWS: dict[DType, Any] = {"bf16": np.uint16, "f32": np.float32, "i8": np.int8, "i16": np.int16, "i32": np.int32}


@dataclass(frozen=True, slots=True)
class HostFunction:
    """A kernel function that the simulator can call.

    ``call`` is the function. ``argument(words, i)`` turns tile memory into the value to pass as argument number i.
    """

    call: Callable[..., object]
    argument: Callable[[Words, int], Any]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The objects of the simulated array that one core's program can name.

    ``rings`` has, by FIFO, the slots at this core's end, and True if the core reads the FIFO; ``buffers`` (memory) and
    ``functions`` are by name.
    """

    rings: Mapping[str, tuple[Ring, bool]]
    buffers: Mapping[str, Words]
    functions: Mapping[str, HostFunction]


@dataclass(slots=True)
class CallArguments:
    """The arguments of a kernel call in a core's program, prepared so that only changing ones are set before a call.

    ``values`` are the arguments by position. ``read`` and ``written`` have, for each held object, its position, the
    value to pass for each slot of its ring, and the ring; ``passes`` have position and current pass of each pass
    number.
    """

    values: list[Any]
    read: list[tuple[int, tuple[Any, ...], Ring]] = field(default_factory=list)
    written: list[tuple[int, tuple[Any, ...], Ring]] = field(default_factory=list)
    passes: list[tuple[int, Pass]] = field(default_factory=list)


class CoreProcess:
    """A simulated core that runs its program; the place in the program is kept from launch to launch.

    ``counts`` are its kernel calls since the launch began, in the order of ``kernels``. Raises DesignError for a
    program that never waits for a FIFO.
    """

    def __init__(self, core: Core, near: Surroundings, select: Callable[[], object], ready: Ready) -> None:
        self.tile: Tile = core.tile
        self.name = f"core {core.tile}"
        self.kernels: list[str] = []
        self.counts: list[int] = []
        self.labels: list[tuple[Statement, Loops]] = []
        self._near = near
        self._select = select
        self._operations: list[Operation] = []
        self._at = 0
        if not _waits(core.body):
            raise DesignError(f"Core {core.tile} never waits for a FIFO: it would spin.")
        for ring, reads in near.rings.values():
            if reads:
                ring.reader = self
            else:
                ring.writer = self
        self._body(core.body, ())
        self._operations.append(lambda: 0)
        self._rest = _rest(core.body, near)
        ready.append(self)

    def step(self) -> None:
        """Run the program until a FIFO lacks an object to read or a free slot to write."""
        self._select()
        operations, at = self._operations, self._at
        while at >= 0:
            at = operations[at]()
        self._at = ~at

    @property
    def resting(self) -> bool:
        """True if the core has read no object since its program last began anew."""
        return self._at <= self._rest and all(number == 0 for _, (number, _) in self.labels[self._at][1])

    @property
    def where(self) -> str:
        """The statement that the core waits at, and the pass of every loop around it, as text."""
        statement, loops = self.labels[self._at]
        passes = "".join(f", {name} {number + 1} of {count}" for name, (number, count) in loops)
        return f"{statement}{passes}"

    def _body(self, body: Sequence[Statement], loops: Loops) -> None:
        for statement in body:
            if isinstance(statement, Loop):
                self._loop(statement, loops)
                continue
            self.labels.append((statement, loops))
            following = len(self._operations) + 1
            if isinstance(statement, Acquire):
                operation = _acquire(*self._near.rings[statement.fifo], following)
            elif isinstance(statement, Release):
                operation = _release(*self._near.rings[statement.fifo], following)
            else:
                operation = self._call(statement, dict(loops), following)
            self._operations.append(operation)

    def _loop(self, loop: Loop, loops: Loops) -> None:
        current: Pass = [0, 0]
        begin = len(self._operations)
        self._operations.append(lambda: 0)  # replaced below, when the loop's end is known
        self.labels.append((loop, loops))
        self._body(loop.body, (*loops, (loop.name, current)))
        end = len(self._operations)
        self._operations.append(_again(current, begin + 1, end + 1))
        self.labels.append((loop, loops))
        if isinstance(loop.count, BufferWord):
            count = self._near.buffers[loop.count.buffer].view(np.int32)[loop.count.index :]
        else:
            count = np.array([loop.count], np.int32)
        self._operations[begin] = _begin(current, count, begin + 1, end + 1)

    def _call(self, call: Call, loops: Mapping[str, Pass], following: int) -> Operation:
        function = self._near.functions[call.kernel]
        if call.kernel not in self.kernels:
            self.kernels.append(call.kernel)
            self.counts.append(0)
        arguments = CallArguments([None] * len(call.args))
        for i, argument in enumerate(call.args):
            if isinstance(argument, Held):
                ring, reads = self._near.rings[argument.fifo]
                slots = tuple(function.argument(slot, i) for slot in ring.slots)
                (arguments.read if reads else arguments.written).append((i, slots, ring))
            elif isinstance(argument, Local):
                arguments.values[i] = function.argument(self._near.buffers[argument.buffer], i)
            elif isinstance(argument, Index):
                arguments.passes.append((i, loops[argument.loop]))
            else:
                arguments.values[i] = argument
        return _run(function.call, arguments, self.counts, self.kernels.index(call.kernel), following)


def _acquire(ring: Ring, reads: bool, following: int) -> Operation:
    wait = ~(following - 1)

    def full() -> int:
        if not ring.full:
            ring.reader_waits = True
            return wait
        ring.full -= 1
        return following

    def free() -> int:
        if not ring.free:
            ring.writer_waits = True
            return wait
        ring.free -= 1
        return following

    return full if reads else free


def _release(ring: Ring, reads: bool, following: int) -> Operation:
    give = ring.empty if reads else ring.fill

    def release() -> int:
        give()
        return following

    return release


def _begin(current: Pass, count: NDArray[np.int32], body: int, after: int) -> Operation:
    def begin() -> int:
        current[0], current[1] = 0, int(count[0])
        return body if current[1] > 0 else after

    return begin


def _again(current: Pass, body: int, after: int) -> Operation:
    def again() -> int:
        current[0] = number = current[0] + 1
        return body if number < current[1] else after

    return again


def _run(
    function: Callable[..., object], arguments: CallArguments, counts: list[int], number: int, following: int
) -> Operation:
    values, read, written, passes = arguments.values, arguments.read, arguments.written, arguments.passes

    def run() -> int:
        for i, slots, ring in read:
            values[i] = slots[ring.at_read]
        for i, slots, ring in written:
            values[i] = slots[ring.at_write]
        for i, current in passes:
            values[i] = current[0]
        function(*values)
        counts[number] += 1
        return following

    return run


def _waits(body: Sequence[Statement]) -> bool:
    """Return whether a pass over the body always acquires an object; a core that does not could run without end."""
    return any(
        isinstance(part, Acquire)
        or (isinstance(part, Loop) and isinstance(part.count, int) and part.count > 0 and _waits(part.body))
        for part in body
    )


def _rest(body: Sequence[Statement], near: Surroundings, number: int = 0) -> int:
    """Return the number of the last operation that a core can stop at before it has read any input.

    The operation is the first acquire of a full object, or the first loop that may run 0 times.
    """
    for statement in body:
        if isinstance(statement, Loop):
            sure = isinstance(statement.count, int) and statement.count > 0
            return _rest(statement.body, near, number + 1) if sure else number
        if isinstance(statement, Acquire) and near.rings[statement.fifo][1]:
            return number
        number += 1
    return number
