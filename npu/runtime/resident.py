"""An overlay (a configuration of the NPU's cores) that stays loaded, and that several threads launch in turn."""

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
    """A loaded overlay that several threads share: one launch at a time, and a self-test that can be repeated.

    ``verdict`` is the result of its latest self-test, ``used`` the time of its latest launch (``time.monotonic``).
    """

    def __init__(self, overlay: Overlay) -> None:
        """Take over a loaded overlay and run its self-test.

        Raises WrongResult, and the errors of ``Overlay.launch``.
        """
        self.overlay = overlay
        self.name = overlay.name
        self.used = time.monotonic()
        self._lock = Lock()
        self._selftest = OverlaySelfTest(overlay)
        self.verdict = self.check()

    def check(self) -> Verdict:
        """Run the self-test again and return its result. Raises WrongResult, and the errors of ``Overlay.launch``."""
        with self.exclusive():
            self.verdict = self._selftest.run()
        return self.verdict

    @contextmanager
    def exclusive(self) -> Iterator[Overlay]:
        """Lend the overlay to the calling thread for the ``with`` block; other threads wait until the block ends."""
        with self._lock:
            self.used = time.monotonic()
            yield self.overlay

    def close(self) -> None:
        """Close the overlay, after waiting for a running launch, which ends within the overlay's ``watchdog_s``."""
        with self._lock:
            self.overlay.close()


LaunchStep = tuple[Resident, Program]  # a launch of a window: the overlay, and the program that it runs


def launch_in_turn(steps: Sequence[LaunchStep], buffers: Sequence[Buffer]) -> float:
    """Launch programs one after the other, each on its overlay, all with ``buffers``; return their seconds in all.

    The results can be read after ``Buffer.from_device``. Raises the errors of ``Overlay.launch``.
    """
    seconds = 0.0
    for resident, program in steps:
        with resident.exclusive() as overlay:
            seconds += overlay.launch(program, buffers)
    return seconds
