"""The faults of an NPU, each as an object; a fault strikes from the moment that it is put into ``Machine.faults``.

Launches and contexts are counted from 0 over the machine's life. ``context`` and ``launch`` are the numbers that a
fault strikes, None for all of them; with ``onwards`` it strikes all later ones, too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from npu.simulated.execution import Execution
from npu.xrt.polling import State

LOST = "DRM_IOCTL_AMDXDNA_{call} IOCTL failed (err=-19): No such device"


class Fault:
    """A fault that never strikes: the base of all. XRT's errors are RuntimeErrors."""

    def call(self, ioctl: str) -> None:
        """Strike before a call into the driver by the ioctl of this name. Raises RuntimeError."""

    def open_context(self, number: int) -> None:
        """Strike before a context is opened. Raises RuntimeError."""

    def lock(self, nbytes: int, locked: int) -> None:
        """Strike before ``nbytes`` more than ``locked`` are locked in memory. Raises RuntimeError."""

    def run(self, execution: Execution) -> bool:
        """Run a launch in this fault's way and return True, or return False to leave the launch to other faults."""
        return False


@dataclass
class LaunchFault(Fault):
    """A fault of launches: those of number ``launch``, of the context of number ``context``."""

    launch: int | None = None
    context: int | None = None
    onwards: bool = False

    def run(self, execution: Execution) -> bool:
        if not self.hits(execution):
            return False
        self.strike(execution)
        return True

    def hits(self, execution: Execution) -> bool:
        """Return True if the launch is one that this fault strikes."""
        return self._matches(self.launch, execution.number) and self._matches(self.context, execution.context.number)

    def strike(self, execution: Execution) -> None:
        """Run a launch in this fault's way."""
        raise NotImplementedError

    def _matches(self, wanted: int | None, number: int) -> bool:
        return wanted is None or wanted == number or (self.onwards and number > wanted)


@dataclass
class Hang(LaunchFault):
    """A launch that never ends, and that no watchdog of the driver ends."""

    def strike(self, execution: Execution) -> None:
        execution.hang()


@dataclass
class Ends(LaunchFault):
    """A launch that ends in ``state``, without any result, after ``seconds``."""

    state: State = State.ERROR
    seconds: float = 0.0

    def strike(self, execution: Execution) -> None:
        execution.context.gone.wait(self.seconds)
        execution.end(self.state)


@dataclass
class DriverTimeout(Ends):
    """A launch that the driver's watchdog ends, in state TIMEOUT: after 2 s on the chip, sooner in tests."""

    state: State = State.TIMEOUT


@dataclass
class Garbage(LaunchFault):
    """A launch that ends in COMPLETED with random bytes in the place of its results (seen: mlir-aie#3654)."""

    seed: int = 0

    def strike(self, execution: Execution) -> None:
        before = [argument.copy() for argument in execution.arguments]
        if execution.compute():
            random = np.random.default_rng(self.seed)
            for was, argument in zip(before, execution.arguments, strict=True):
                written = was != argument
                argument[written] = random.integers(0, 256, int(written.sum()), np.uint8)
            execution.end(State.COMPLETED)


@dataclass
class Slow(LaunchFault):
    """Launches that take ``factor`` times as long, and ``seconds`` more."""

    factor: float = 1.0
    seconds: float = 0.0

    def strike(self, execution: Execution) -> None:
        begun = time.monotonic()
        if execution.compute():
            execution.context.gone.wait(self.seconds + (self.factor - 1) * (time.monotonic() - begun))
            execution.end(State.COMPLETED)


@dataclass
class Lost(LaunchFault):
    """The loss of the device in the middle of a launch: the launch never ends, and every later driver call fails.

    ``gone`` is True once the device is lost; pass it to lose the device before the next call.
    """

    gone: bool = False

    def call(self, ioctl: str) -> None:
        if self.gone:
            raise RuntimeError(LOST.format(call=ioctl))

    def hits(self, execution: Execution) -> bool:
        return self.gone or super().hits(execution)

    def strike(self, execution: Execution) -> None:
        self.gone = True
        execution.hang()


@dataclass
class LoadError(Fault):
    """A driver that does not open the context of number ``context`` (None: any), with ``text`` as XRT's error."""

    context: int | None = None
    text: str = "DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=-5): Input/output error"

    def open_context(self, number: int) -> None:
        if self.context in (None, number):
            raise RuntimeError(self.text)


@dataclass
class Memlock(Fault):
    """A limit on locked memory: no more than ``limit`` bytes may be locked."""

    limit: int = 8 << 20

    def lock(self, nbytes: int, locked: int) -> None:
        if locked + nbytes > self.limit:
            raise RuntimeError(f"mmap(len={nbytes}) failed (err=-11): Resource temporarily unavailable")
