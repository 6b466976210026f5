"""The common part of mel and encoder on the NPU: overlapped launches, repeated self-tests, and the end at a fault."""

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
from npu.runtime.resident import LaunchStep, launch_in_turn
from npu.xrt.buffer import Buffer

SLOTS = 2
IDLE_S = 60.0  # after so long without a launch the self-test runs before the next one


class WindowBatch(Protocol):
    """A batch of windows (pieces of audio of at most 30 s): a sequence with one float32 array for each window."""

    def __len__(self) -> int: ...
    def __getitem__(self, window: int, /) -> Float32: ...


B = TypeVar("B", bound=WindowBatch)
Slot = tuple[Buffer, ...]  # the arguments of a window's launches, in launch order


def _ignore(window: int) -> None:
    del window


class NpuStage(ABC, Generic[B]):
    """A computation on the NPU that processes a batch of windows, window by window; the base of mel and encoder.

    ``steps`` are the launches for each window. There are two sets of buffers (``slots``): while the NPU runs one
    window, the host reads the result of the window before and writes the next one. Any error during a batch retires the
    NPU, so that the process uses it no more.

    With ``canary_windows``, the self-tests of the stage's overlays are repeated: after so many windows, before that
    batch's result is returned, and before a batch that follows ``idle_s`` seconds without a launch.

    A subclass passes its launches and buffers to ``__init__`` and implements ``_allocate``, ``_write`` and ``_read``.
    """

    def __init__(
        self,
        name: str,
        npu: Npu,
        steps: Sequence[LaunchStep],
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
        """Compute a batch and return the result, float32 with one row for each window; the caller owns the array.

        Raises ValueError for a batch of the wrong shape. Any other failure raises NpuError and retires the NPU for its
        reason.
        """
        result = self._allocate(batch)
        with self._watched():
            self._compute(batch, result)
        return result

    def metrics(self) -> dict[str, float]:
        """Return totals since the start: ``windows``, ``seconds`` of work, and ``launch_seconds`` of them in launches.

        ``launches`` is the number of launches for each window.
        """
        return {
            "windows": self._windows,
            "launches": len(self._steps),
            "seconds": self._seconds,
            "launch_seconds": self._launch_seconds,
        }

    def close(self) -> None:
        """End the stage's thread and free its buffers on the device.

        Its overlays stay loaded until the Npu is closed.
        """
        self._thread.shutdown()
        for buffer in (buffer for slot in self._slots for buffer in slot):
            buffer.close()

    @abstractmethod
    def _allocate(self, batch: B) -> Float32:
        """Return an uninitialised array for a batch's result, float32 with one row for each window.

        Raises ValueError for a wrong shape.
        """

    @abstractmethod
    def _write(self, window: Float32, slot: int) -> None:
        """Write a window's input to the buffers of slot number ``slot`` and sync them to the device."""

    @abstractmethod
    def _read(self, slot: int, result: Float32) -> None:
        """Write the result of the window in slot number ``slot`` to ``result``.

        Raises WrongResult for impossible values.
        """

    def _compute(self, batch: B, result: Float32, finished: Callable[[int], None] = _ignore) -> None:
        """Fill ``result`` window by window, and call ``finished`` with a window's index as soon as its row is complete.

        The two slots (sets of buffers) alternate; one is written again only after its result has been read. Raises the
        first error, once no launch is running any more.
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
        """Wrap a batch's computation: repeat self-tests that are due before or after it; retire the NPU on errors."""
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
        """Repeat the self-test of each overlay of the stage.

        Raises WrongResult, and the errors of ``Resident.check``.
        """
        self._unchecked = 0
        self.canaries += 1
        for resident in self.residents:
            try:
                resident.check()
            except WrongResult as error:
                raise WrongResult(f"a canary found it wrong while it served: {error.reason}") from None
