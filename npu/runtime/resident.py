"""An overlay that stays loaded, launched by several stages in turn, with its self-test at hand as a canary."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Lock

from npu.runtime.selftest import Trial, Verdict
from npu.xrt.buffer import Buffer
from npu.xrt.overlay import Overlay
from npu.xrt.program import Program


class Resident:
    """One launch at a time. ``verdict`` is the last one of its self-test, ``used`` the time of the last launch."""

    def __init__(self, overlay: Overlay) -> None:
        """Runs the self-test. Raises WrongResult, and what launches raise."""
        self.overlay = overlay
        self.name = overlay.name
        self.used = time.monotonic()
        self._lock = Lock()
        self._trial = Trial(overlay)
        self.verdict = self.check()

    def check(self) -> Verdict:
        """The self-test once more. Raises WrongResult, and what launches raise."""
        with self._lock:
            self.used = time.monotonic()
            self.verdict = self._trial.run()
        return self.verdict

    def launch(self, program: Program, buffers: Sequence[Buffer]) -> float:
        """Seconds that the launch took; the results are there after ``from_device``. Raises as Overlay.launch does."""
        with self._lock:
            self.used = time.monotonic()
            return self.overlay.launch(program, buffers)

    def close(self) -> None:
        """Waits for the launch under way, at most as long as the watchdog."""
        with self._lock:
            self.overlay.close()
