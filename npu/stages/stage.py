"""The part that mel and encoder on the NPU have in common: overlapped launches, canaries, and retirement at a fault."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Lock
from time import perf_counter
from typing import Generic, Protocol, TypeVar

from kernels.mel.audio import Float32
from npu.errors import NpuError, NpuUnavailable, WrongResult
from npu.runtime.npu import Npu
from npu.runtime.resident import Step, launch_in_turn
from npu.xrt.buffer import Buffer

SLOTS = 2
IDLE_S = 60.0  # after so long without a launch the self-test runs before the next one


class Batch(Protocol):
    """One array for each window."""

    def __len__(self) -> int: ...
    def __getitem__(self, window: int, /) -> Float32: ...


B = TypeVar("B", bound=Batch)
Slot = tuple[Buffer, ...]  # the arguments of a window's launches, in launch order


def _ignore(window: int) -> None:
    del window


class NpuStage(ABC, Generic[B]):
    """A stage on the NPU; a batch goes through it window by window, and each window through the launches of ``steps``.

    While the NPU runs one window, the host reads the result of the window before and writes the next one: hence two
    slots of buffers. With ``canary_windows``, the self-tests of the stage's overlays run again as a canary after so
    many windows, before the result of that batch is returned, and before a batch that comes after ``idle_s`` seconds
    without a launch. Whatever goes wrong in a batch retires the NPU.

    A subclass passes its launches and buffers to ``__init__`` and implements ``_allocate``, ``_write`` and ``_read``.
    """

    def __init__(
        self,
        name: str,
        npu: Npu,
        steps: Sequence[Step],
        slots: Sequence[Slot],
        canary_windows: int | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self.npu = npu
        self.device = npu.device
        self.canaries = 0
        self.residents = tuple(dict.fromkeys(resident for resident, _ in steps))
        self._steps, self._slots = tuple(steps), tuple(slots)
        self._canary_windows, self._idle_s = canary_windows, idle_s
        self._unchecked = 0  # windows since the last canary
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"npu-{name}")
        self._lock = Lock()  # of the slots and the counters
        self._windows, self._seconds, self._launch_seconds = 0, 0.0, 0.0

    def __call__(self, batch: B) -> Float32:
        """Return the result of a batch, an array that the caller owns.

        Raises ValueError for a batch of another shape than the stage takes, else NpuError, whose ``reason`` the NPU is
        retired for from then on.
        """
        result = self._allocate(batch)
        with self._watched():
            self._compute(batch, result)
        return result

    def metrics(self) -> dict[str, float]:
        """Return the counts since the start: windows, launches of each, seconds in all, seconds of launches."""
        return {
            "windows": self._windows,
            "launches": len(self._steps),
            "seconds": self._seconds,
            "launch_seconds": self._launch_seconds,
        }

    def close(self) -> None:
        """Give back the thread and the stage's memory on the device. The overlays stay until the Npu is closed."""
        self._thread.shutdown()
        for buffer in (buffer for slot in self._slots for buffer in slot):
            buffer.close()

    @abstractmethod
    def _allocate(self, batch: B) -> Float32:
        """Return the array for a batch's result, one row for each window. Raises ValueError for a wrong shape."""

    @abstractmethod
    def _write(self, window: Float32, slot: int) -> None:
        """Write a window to the buffers of a slot and let the device see it."""

    @abstractmethod
    def _read(self, slot: int, result: Float32) -> None:
        """Read a window's result out of a slot. Raises WrongResult for values that no window can have."""

    def _compute(self, batch: B, result: Float32, finished: Callable[[int], None] = _ignore) -> None:
        """Fill ``result``, and report each window to ``finished`` as soon as its row is there.

        A slot is written again only when its result has been read. An error is raised once nothing runs any more.
        """
        with self._lock:
            began = perf_counter()
            self._unchecked += len(batch)
            running: Future[float] | None = None
            try:
                for window in range(len(batch)):
                    slot = window % SLOTS
                    self._write(batch[window], slot)
                    if running is not None:
                        self._launch_seconds += running.result()
                    before, running = running, self._thread.submit(launch_in_turn, self._steps, self._slots[slot])
                    if before is not None:
                        self._read(1 - slot, result[window - 1])
                        finished(window - 1)
                if running is not None:
                    self._launch_seconds += running.result()
                    last = len(batch) - 1
                    self._read(last % SLOTS, result[last])
                    finished(last)
            finally:
                if running is not None:
                    wait([running])
            self._windows += len(batch)
            self._seconds += perf_counter() - began

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Run a batch between the canaries that are due; retire the NPU for whatever goes wrong."""
        self.npu.check_serving()
        try:
            if self._canary_windows is None:
                yield
                return
            if time.monotonic() - max(resident.used for resident in self.residents) >= self._idle_s:
                self._run_canary()
            yield
            if self._unchecked >= self._canary_windows:
                self._run_canary()
        except NpuError as error:
            self.npu.retire(error)
            raise
        except Exception as error:
            unexpected = NpuUnavailable(self.npu.retired or f"the NPU stage failed ({type(error).__name__}: {error})")
            self.npu.retire(unexpected)
            raise unexpected from error

    def _run_canary(self) -> None:
        self._unchecked = 0
        self.canaries += 1
        for resident in self.residents:
            try:
                resident.check()
            except WrongResult as error:
                raise WrongResult(f"a canary found it wrong while it served: {error.reason}") from None
