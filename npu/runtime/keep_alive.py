"""A stage on the NPU that is watched: whenever in doubt it raises, and the NPU is retired."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Sized
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from npu.errors import NpuError, NpuUnavailable, WrongResult
from npu.runtime.npu import Npu
from npu.runtime.resident import Resident

T = TypeVar("T", bound=Sized)  # a batch: one item for each window
R = TypeVar("R")

IDLE_S = 60.0  # after so long without a launch the self-test runs before the next one


class Guarded(Generic[T, R]):
    """Runs batches; its overlays' self-tests, as a canary, every ``canary_windows`` windows and after idle.

    A canary that is due at the end of a batch runs before the batch's result is given away.
    """

    def __init__(
        self,
        npu: Npu,
        stage: Callable[[T], R],
        residents: Sequence[Resident],
        canary_windows: int,
        idle_s: float = IDLE_S,
    ) -> None:
        self.npu = npu
        self.canaries = 0
        self.stage, self._residents = stage, tuple(residents)
        self._every, self._idle_s = canary_windows, idle_s
        self._unchecked = 0
        self._lock = Lock()

    def __call__(self, batch: T) -> R:
        """Raises NpuError, whose ``reason`` the NPU is retired for from now on."""
        if self.npu.retired is not None:
            raise NpuUnavailable(self.npu.retired)
        try:
            if time.monotonic() - max(resident.used for resident in self._residents) >= self._idle_s:
                self._check()
            result = self.stage(batch)
            self._count(len(batch))
        except NpuError as error:
            self.npu.retire(error)
            raise
        except Exception as error:
            unexpected = NpuUnavailable(self.npu.retired or f"the NPU stage failed ({type(error).__name__}: {error})")
            self.npu.retire(unexpected)
            raise unexpected from error
        return result

    def _count(self, windows: int) -> None:
        with self._lock:
            self._unchecked += windows
            due = self._unchecked >= self._every
        if due:
            self._check()

    def _check(self) -> None:
        with self._lock:
            self._unchecked = 0
            self.canaries += 1
        for resident in self._residents:
            try:
                resident.check()
            except WrongResult as error:
                raise WrongResult(f"a canary found it wrong while it served: {error.reason}") from None


class KeepAlive:
    """Launches the smallest self-test whenever the NPU has been idle for ``seconds``, so that it does not doze off.

    Waking up takes the NPU some 100 ms. A launch that fails retires it.
    """

    def __init__(self, npu: Npu, resident: Resident, seconds: float) -> None:
        self._npu, self._resident, self._seconds = npu, resident, seconds
        self._ended = Event()
        self.launches = 0
        self._thread = Thread(target=self._run, name="npu-keep-alive", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._seconds / 2) and self._npu.retired is None:
            used = max(resident.used for resident in self._npu.residents)
            if time.monotonic() - used < self._seconds:
                continue
            try:
                self._resident.check()
                self.launches += 1
            except NpuError as error:
                self._npu.retire(error)
            except ValueError:  # closed meanwhile
                return
