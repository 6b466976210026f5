"""Launches on the simulated device: one at a time, in a thread of the device, on the device's memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels.array.simulate.simulate import Simulation
from kernels.errors import KernelsError, StreamError
from npu.xrt.polling import State

TRANSACTION = 3
Bytes = NDArray[np.uint8]


class Context:
    """A hardware context of the device: an overlay on the array. ``gone`` once nothing refers to it any more."""

    def __init__(self, number: int, kernel: str, simulation: Simulation) -> None:
        self.number, self.kernel = number, kernel
        self.simulation = simulation
        self.gone = threading.Event()


@dataclass
class Command:
    """The packet of a launch, which its run looks at."""

    state: State = State.NEW
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass
class Job:
    """One launch: the device's memory of its stream and arguments, in launch order, and where it says how it ended."""

    number: int
    context: Context
    command: Command
    opcode: int
    stream: Bytes
    words: int
    arguments: Sequence[Bytes]
    tdr_s: float
    log: Callable[[str], None]

    def run(self) -> None:
        """Run it as a device without faults does."""
        if self.compute():
            self.end(State.COMPLETED)

    def compute(self) -> bool:
        """Do the work, and nothing if it is no transaction: that is not noticed. False if it failed, and so ended."""
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
        return not self.command.ended.is_set()

    def stuck(self) -> None:
        """Stand still until the context goes."""
        self.context.gone.wait()
        self.end(State.ABORT)

    def end(self, state: State) -> None:
        self.command.state = state
        self.command.ended.set()


class Worker:
    """The device's thread. It ends after a while without work."""

    IDLE_S = 1.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._wake = threading.Condition(self._lock)

    def submit(self, work: Callable[[], None]) -> None:
        """Have it done after everything that was submitted before."""
        with self._lock:
            self._waiting.append(work)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="simulated-npu", daemon=True)
                self._thread.start()
            self._wake.notify()

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._wake.wait(self.IDLE_S)
                if not self._waiting:
                    self._thread = None
                    return
                work = self._waiting.pop(0)
            work()
            del work
