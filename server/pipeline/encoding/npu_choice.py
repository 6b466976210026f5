"""The choice between NPU and CPU for a stage, by the settings and by a measurement at start-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import Literal

Mode = Literal["auto", "required", "off", "simulated"]
Prefer = Literal["latency", "cpu_free"]

REPEATS = 3
ENOUGH_S = 2.0
LONGEST_MS = 3_000.0  # a tenth of a window: a slower NPU is not worth the processor time that it saves


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one window in milliseconds: wall time, and the processor time of this process meanwhile."""

    wall_ms: float
    cpu_ms: float

    def __str__(self) -> str:
        return f"{self.wall_ms:.1f} ms ({self.cpu_ms:.1f} ms of processor time)"


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision about a stage's device: ``npu`` is True for the NPU; ``reason`` contains every measured figure."""

    npu: bool
    reason: str


def measure(run: Callable[[], object]) -> Cost:
    """Return the median cost of three runs after a warm-up run.

    Fewer runs are made once they take 2 s together; if the first one takes 2 s, its cost is returned.
    """
    costs = [_cost(run)]
    if costs[0].wall_ms < ENOUGH_S * 1e3:
        costs = []
        while not costs or (len(costs) < REPEATS and sum(cost.wall_ms for cost in costs) < ENOUGH_S * 1e3):
            costs.append(_cost(run))
    return Cost(median(cost.wall_ms for cost in costs), median(cost.cpu_ms for cost in costs))


def _cost(run: Callable[[], object]) -> Cost:
    wall, cpu = perf_counter(), process_time()
    run()
    return Cost((perf_counter() - wall) * 1e3, (process_time() - cpu) * 1e3)


def choose(npu: Cost, cpu: Cost, mode: Mode, prefer: Prefer) -> Choice:
    """Choose the device of a stage that works on the NPU, from the cost of one window on each device.

    With ``prefer`` latency, the faster device is chosen; with cpu_free, the one that uses less processor time, provided
    that the NPU takes no more than a tenth of a window's length. With ``mode`` required, it is always the NPU.
    """
    measured = f"npu {npu}, cpu {cpu} per window, measured at start-up"
    if mode == "required":
        return Choice(npu=True, reason=f"npu.mode is required; {measured}")
    if prefer == "latency":
        return Choice(npu.wall_ms < cpu.wall_ms, f"the faster one: {measured}")
    if npu.wall_ms > LONGEST_MS:
        return Choice(npu=False, reason=f"the NPU takes more than {LONGEST_MS:.0f} ms for a window: {measured}")
    return Choice(npu.cpu_ms < cpu.cpu_ms, f"the one that leaves more of the processor free: {measured}")
