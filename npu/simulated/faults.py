"""Faults that tests inject into the simulated NPU, each an object in the list ``Machine.faults`` while it is in effect.

Launches and contexts are counted from 0 over the machine's life. ``context`` and ``launch`` are the numbers that a
fault affects, None for all of them; with ``onwards`` it affects all later ones, too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from npu.simulated.execution import Execution
from npu.xrt.polling import State

LOST = "DRM_IOCTL_AMDXDNA_{call} IOCTL failed (err=-19): No such device"


class Fault:
    """The base of all faults, without any effect itself.

    The driver calls every method at the moment that its name says. An XRT error is raised as RuntimeError.
    """

    def call(self, ioctl: str) -> None:
        """Act before a call into the driver by the ioctl of this name. May raise RuntimeError."""

    def open_context(self, number: int) -> None:
        """Act before the hardware context of this number is opened. May raise RuntimeError."""

    def lock(self, nbytes: int, locked: int) -> None:
        """Act before ``nbytes`` of memory are locked in addition to ``locked`` bytes. May raise RuntimeError."""

    def run(self, execution: Execution) -> bool:
        """Take over a launch, run it with this fault and return True; or return False to leave it to other faults."""
        return False


@dataclass
class LaunchFault(Fault):
    """A fault of launches: of the launch number ``launch`` in the hardware context number ``context``; None means any.

    With ``onwards`` all later launches or contexts are affected, too.
    """

    launch: int | None = None
    context: int | None = None
    onwards: bool = False

    def run(self, execution: Execution) -> bool:
        if not self.hits(execution):
            return False
        self.strike(execution)
        return True

    def hits(self, execution: Execution) -> bool:
        """Return True if this fault affects the launch ``execution``."""
        return self._matches(self.launch, execution.number) and self._matches(self.context, execution.context.number)

    def strike(self, execution: Execution) -> None:
        """Run the launch with this fault; a subclass implements it."""
        raise NotImplementedError

    def _matches(self, wanted: int | None, number: int) -> bool:
        return wanted is None or wanted == number or (self.onwards and number > wanted)


@dataclass
class Hang(LaunchFault):
    """A fault: the launch never ends, and no watchdog of the driver ends it."""

    def strike(self, execution: Execution) -> None:
        execution.hang()


@dataclass
class Ends(LaunchFault):
    """A fault: the launch ends in ``state`` after ``seconds`` without having computed anything."""

    state: State = State.ERROR
    seconds: float = 0.0

    def strike(self, execution: Execution) -> None:
        execution.context.gone.wait(self.seconds)
        execution.end(self.state)


@dataclass
class DriverTimeout(Ends):
    """A fault: the driver's watchdog ends the launch, in state TIMEOUT; after 2 s on the chip, sooner in tests."""

    state: State = State.TIMEOUT


@dataclass
class Garbage(LaunchFault):
    """A fault: the launch ends in COMPLETED with random bytes in the place of its results (seen: mlir-aie#3654)."""

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
    """A fault: the launch takes ``factor`` times as long as usual, and ``seconds`` more."""

    factor: float = 1.0
    seconds: float = 0.0

    def strike(self, execution: Execution) -> None:
        begun = time.monotonic()
        if execution.compute():
            execution.context.gone.wait(self.seconds + (self.factor - 1) * (time.monotonic() - begun))
            execution.end(State.COMPLETED)


@dataclass
class Lost(LaunchFault):
    """A fault: the device is lost during the launch, which never ends, and every later driver call fails.

    ``gone`` is True once the device is lost; construct with True to lose the device at the next call.
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
    """A fault: the driver refuses to open hardware context number ``context`` (None: any), with the error ``text``."""

    context: int | None = None
    text: str = "DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=-5): Input/output error"

    def open_context(self, number: int) -> None:
        if self.context in (None, number):
            raise RuntimeError(self.text)


@dataclass
class Memlock(Fault):
    """A fault: an allocation that would lock more than ``limit`` bytes of memory in all fails."""

    limit: int = 8 << 20

    def lock(self, nbytes: int, locked: int) -> None:
        if locked + nbytes > self.limit:
            raise RuntimeError(f"mmap(len={nbytes}) failed (err=-11): Resource temporarily unavailable")
