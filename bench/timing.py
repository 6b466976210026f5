"""Wall time, processor time and memory of the process that measures itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Stopwatch:
    """A sum of wall time for each stage in ms, measured around the functions that ``timed`` wraps."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    def timed(self, stage: str, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap ``function``, so that the time of its calls is added to that of ``stage``."""

        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.ms[stage] = self.ms.get(stage, 0.0) + (time.perf_counter() - start) * 1e3

        return wrapper


class Timer:
    """Wall and processor time since the construction of the object."""

    def __init__(self) -> None:
        self._start = self._now()

    def read(self) -> tuple[float, float]:
        """Return wall time and the processor time of all threads, both in ms."""
        wall, cpu = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return wall * 1e3, cpu * 1e3

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def peak_mb() -> float:
    """Return the highest resident set of this process so far, in MB (2**20)."""
    return status_mb("VmHWM")


def status_mb(key: str) -> float:
    """Return VmRSS or VmHWM of this process in MB (2**20), as /proc/self/status counts them.

    getrusage is no substitute: it also counts the program that ran before exec. Raises RuntimeError without the key.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"this system does not tell {key}")
