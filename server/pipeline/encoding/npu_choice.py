"""Which device serves a stage: measured at start-up, decided by the settings, with every figure in the reason."""

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
LONGEST_MS = 3_000.0  # a tenth of a window: slower than that, a freed CPU is no comfort


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one window, in milliseconds: until the result is there, and processor time of this process meanwhile."""

    wall_ms: float
    cpu_ms: float

    def __str__(self) -> str:
        return f"{self.wall_ms:.1f} ms ({self.cpu_ms:.1f} ms of processor time)"


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether the NPU serves a stage, and why."""

    npu: bool
    reason: str


def measure(run: Callable[[], object]) -> Cost:
    """The median of a few runs after one to warm up; of that one alone where it takes long."""
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
    """The device of a stage that passed its self-test on the NPU.

    ``latency`` takes the faster one; ``cpu_free`` the one that leaves more of the processor to others, as long as the
    NPU does a window in a tenth of its length. ``required`` takes the NPU whatever it costs.
    """
    measured = f"npu {npu}, cpu {cpu} per window, measured at start-up"
    if mode == "required":
        return Choice(npu=True, reason=f"npu.mode is required; {measured}")
    if prefer == "latency":
        return Choice(npu.wall_ms < cpu.wall_ms, f"the faster one: {measured}")
    if npu.wall_ms > LONGEST_MS:
        return Choice(npu=False, reason=f"the NPU takes more than {LONGEST_MS:.0f} ms for a window: {measured}")
    return Choice(npu.cpu_ms < cpu.cpu_ms, f"the one that leaves more of the processor free: {measured}")
