"""An overlay that stays loaded and is launched by several stages in turn; its self-test runs again as a canary."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from npu.runtime.selftest import OverlaySelfTest, Verdict
from npu.xrt.buffer import Buffer
from npu.xrt.overlay import Overlay
from npu.xrt.program import Program


class Resident:
    """A loaded overlay that takes one launch at a time, whichever thread asks.

    ``verdict`` is the result of its latest self-test, ``used`` the time of its latest launch (``time.monotonic``).
    """

    def __init__(self, overlay: Overlay) -> None:
        """Run the self-test. Raises WrongResult, and the errors of ``Overlay.launch``."""
        self.overlay = overlay
        self.name = overlay.name
        self.used = time.monotonic()
        self._lock = Lock()
        self._selftest = OverlaySelfTest(overlay)
        self.verdict = self.check()

    def check(self) -> Verdict:
        """Run the self-test once more. Raises WrongResult, and the errors of ``Overlay.launch``."""
        with self.exclusive():
            self.verdict = self._selftest.run()
        return self.verdict

    @contextmanager
    def exclusive(self) -> Iterator[Overlay]:
        """Hold the overlay for launches of the calling thread; other threads wait."""
        with self._lock:
            self.used = time.monotonic()
            yield self.overlay

    def close(self) -> None:
        """Close the overlay after the launch under way, which takes at most as long as the watchdog allows."""
        with self._lock:
            self.overlay.close()


Step = tuple[Resident, Program]  # a launch of a window: the overlay, and the program that it runs


def launch_in_turn(steps: Sequence[Step], buffers: Sequence[Buffer]) -> float:
    """Launch every program on its overlay, one after the other and with the same buffers; return the seconds in all.

    The results can be read after ``Buffer.from_device``. Raises the errors of ``Overlay.launch``.
    """
    seconds = 0.0
    for resident, program in steps:
        with resident.exclusive() as overlay:
            seconds += overlay.launch(program, buffers)
    return seconds
