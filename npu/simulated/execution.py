"""Launches on the simulated device: run one at a time, in a thread of the device, on the device's memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels.array.simulate.simulate import Simulation
from kernels.errors import KernelsError, StreamError
from npu.xrt.polling import State

TRANSACTION = 3  # the opcode of a transaction stream
Bytes = NDArray[np.uint8]


class DriverContext:
    """The driver's record of a hardware context, which is an overlay loaded on the array of cores.

    ``number`` counts the contexts of the machine from 0; ``gone`` is set once nothing refers to the context any more.
    """

    def __init__(self, number: int, kernel: str, simulation: Simulation) -> None:
        self.number, self.kernel = number, kernel
        self.simulation = simulation
        self.gone = threading.Event()


@dataclass
class Execution:
    """One launch: its instruction stream, its arguments (the device's memory, in launch order) and its state.

    ``words`` is the stream's length as the launch states it. ``tdr_s`` is the time in seconds after which the driver
    ends an execution that makes no progress; ``log`` takes the driver's messages. ``ended`` is set when the launch has
    ended.
    """

    number: int
    context: DriverContext
    opcode: int
    stream: Bytes
    words: int
    arguments: Sequence[Bytes]
    tdr_s: float
    log: Callable[[str], None]
    state: State = State.SUBMITTED
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Run the launch to its end, as a device without faults does."""
        if self.compute():
            self.end(State.COMPLETED)

    def compute(self) -> bool:
        """Run the stream on the simulated array. Return False if that failed, in which case the launch has ended.

        A launch without a stream, or with another opcode, computes nothing, and the device does not report that.
        """
        if self.opcode != TRANSACTION or not self.stream.size:
            return True
        try:
            if self.words not in (self.stream.size // 4, self.stream.size):  # both are in use on hardware
                raise StreamError(f"the launch says {self.words} words, the stream has {self.stream.size // 4}")
            self.context.simulation.run(self.stream.tobytes(), self.arguments)
        except StreamError as error:
            self.log(f"launch {self.number}: {error}")
            self.end(State.ERROR)
        except KernelsError as error:  # the array waits for ever: the driver's watchdog ends it
            self.log(f"launch {self.number}: {error}")
            self.context.gone.wait(self.tdr_s)
            self.end(State.TIMEOUT)
        return not self.ended.is_set()

    def hang(self) -> None:
        """Make no progress until the hardware context is closed, then end in state ABORT."""
        self.context.gone.wait()
        self.end(State.ABORT)

    def end(self, state: State) -> None:
        """Mark the launch as ended in ``state``."""
        self.state = state
        self.ended.set()


class DeviceThread:
    """A thread that runs submitted functions one after the other.

    The thread ends after a second without work, and the next submission starts another one.
    """

    IDLE_S = 1.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._wake = threading.Condition(self._lock)

    def submit(self, work: Callable[[], None]) -> None:
        """Queue ``work`` behind everything submitted before, and return at once."""
        with self._lock:
            self._queue.append(work)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="simulated-npu", daemon=True)
                self._thread.start()
            self._wake.notify()

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._wake.wait(self.IDLE_S)
                if not self._queue:
                    self._thread = None
                    return
                work = self._queue.pop(0)
            work()
            del work  # so that the memory of the launch is not held while idle
