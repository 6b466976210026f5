"""A thread that launches work on an idle NPU, so that it does not power down."""

from __future__ import annotations

import time
from threading import Event, Thread

from npu.errors import NpuError
from npu.runtime.npu import Npu
from npu.runtime.resident import Resident


class KeepAlive:
    """A thread that runs the self-test of the overlay ``resident`` whenever the NPU has been idle for ``seconds``.

    An NPU that has powered down takes some 100 ms to wake up. A self-test that fails retires the NPU: the process uses
    it no more. ``launches`` counts the self-tests that passed.
    """

    def __init__(self, npu: Npu, resident: Resident, seconds: float) -> None:
        self.seconds = seconds
        self.launches = 0
        self._npu, self._resident = npu, resident
        self._ended = Event()
        self._thread = Thread(target=self._run, name="npu-keep-alive", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and wait until it has ended, a running self-test included."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self.seconds / 2) and self._npu.retired is None:
            used = max(resident.used for resident in self._npu.residents)
            if time.monotonic() - used < self.seconds:
                continue
            try:
                self._resident.check()
                self.launches += 1
            except NpuError as error:
                self._npu.retire(error)
            except ValueError:  # closed meanwhile
                return
