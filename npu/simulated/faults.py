"""What can go wrong with an NPU, each as an object to put into ``Machine.faults``; from then on it strikes.

Launches and contexts are counted from 0 over the machine's life. ``context`` and ``launch`` say which ones a fault
strikes: None for all, a number for that one; ``onwards``, for that one and all after it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from npu.simulated.execution import Execution
from npu.xrt.polling import State

LOST = "DRM_IOCTL_AMDXDNA_{call} IOCTL failed (err=-19): No such device"


class Fault:
    """Strikes nowhere; each kind overrides what it does. XRT's errors are RuntimeErrors."""

    def call(self, ioctl: str) -> None:
        """Before a call into the driver, by its name. Raises RuntimeError."""

    def open_context(self, number: int) -> None:
        """Before a context is opened. Raises RuntimeError."""

    def lock(self, nbytes: int, locked: int) -> None:
        """Before ``nbytes`` more than ``locked`` are locked in memory. Raises RuntimeError."""

    def run(self, execution: Execution) -> bool:
        """Run the launch in this fault's way; False leaves it to others."""
        return False


@dataclass
class Aimed(Fault):
    """A fault of launches: those of number ``launch``, of the context of number ``context``."""

    launch: int | None = None
    context: int | None = None
    onwards: bool = False

    def hits(self, execution: Execution) -> bool:
        return self._one(self.launch, execution.number) and self._one(self.context, execution.context.number)

    def _one(self, wanted: int | None, number: int) -> bool:
        return wanted is None or wanted == number or (self.onwards and number > wanted)


@dataclass
class Hang(Aimed):
    """A launch that never ends, and that no watchdog of the driver ends."""

    def run(self, execution: Execution) -> bool:
        if self.hits(execution):
            execution.hang()
            return True
        return False


@dataclass
class Ends(Aimed):
    """A launch that ends in ``state``, without any result, after ``seconds``."""

    state: State = State.ERROR
    seconds: float = 0.0

    def run(self, execution: Execution) -> bool:
        if self.hits(execution):
            execution.context.gone.wait(self.seconds)
            execution.end(self.state)
            return True
        return False


@dataclass
class DriverTimeout(Ends):
    """A launch that the driver's watchdog ends, in state TIMEOUT: after 2 s in truth, sooner in tests."""

    state: State = State.TIMEOUT


@dataclass
class Garbage(Aimed):
    """A launch that ends in COMPLETED with random bytes where its results should be (seen: mlir-aie#3654)."""

    seed: int = 0

    def run(self, execution: Execution) -> bool:
        if not self.hits(execution):
            return False
        before = [argument.copy() for argument in execution.arguments]
        if execution.compute():
            random = np.random.default_rng(self.seed)
            for was, argument in zip(before, execution.arguments, strict=True):
                written = was != argument
                argument[written] = random.integers(0, 256, int(written.sum()), np.uint8)
            execution.end(State.COMPLETED)
        return True


@dataclass
class Slow(Aimed):
    """Launches that take ``factor`` times as long, and ``seconds`` more."""

    factor: float = 1.0
    seconds: float = 0.0

    def run(self, execution: Execution) -> bool:
        if not self.hits(execution):
            return False
        begun = time.monotonic()
        if execution.compute():
            execution.context.gone.wait(self.seconds + (self.factor - 1) * (time.monotonic() - begun))
            execution.end(State.COMPLETED)
        return True


@dataclass
class Lost(Aimed):
    """The device goes in the middle of a launch: that one never ends, and every later call into the driver fails."""

    gone: bool = False

    def call(self, ioctl: str) -> None:
        if self.gone:
            raise RuntimeError(LOST.format(call=ioctl))

    def run(self, execution: Execution) -> bool:
        if self.gone or self.hits(execution):
            self.gone = True
            execution.hang()
            return True
        return False


@dataclass
class LoadError(Fault):
    """The driver does not open the context of number ``context`` (None: any)."""

    context: int | None = None
    text: str = "DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=-5): Input/output error"

    def open_context(self, number: int) -> None:
        if self.context in (None, number):
            raise RuntimeError(self.text)


@dataclass
class Memlock(Fault):
    """No more than ``limit`` bytes may be locked."""

    limit: int = 8 << 20

    def lock(self, nbytes: int, locked: int) -> None:
        if locked + nbytes > self.limit:
            raise RuntimeError(f"mmap(len={nbytes}) failed (err=-11): Resource temporarily unavailable")
