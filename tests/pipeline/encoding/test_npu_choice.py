"""The choice between NPU and CPU follows the costs and the settings."""

from __future__ import annotations

import time

import pytest

from server.pipeline.encoding.npu_choice import Cost, Mode, Prefer, choose, measure

FAST, SLOW, GLACIAL = Cost(100, 5), Cost(500, 400), Cost(4000, 1)


@pytest.mark.parametrize(
    ("npu", "cpu", "mode", "prefer", "chosen"),
    [
        (FAST, SLOW, "auto", "latency", True),
        (SLOW, FAST, "auto", "latency", False),
        (FAST, FAST, "auto", "latency", False),
        (Cost(500, 5), Cost(100, 400), "auto", "latency", False),
        (Cost(500, 5), Cost(100, 400), "auto", "cpu_free", True),
        (Cost(100, 400), Cost(500, 5), "auto", "cpu_free", False),
        (GLACIAL, SLOW, "auto", "cpu_free", False),
        (GLACIAL, FAST, "required", "latency", True),
        (GLACIAL, FAST, "required", "cpu_free", True),
    ],
)
def test_the_choice(npu: Cost, cpu: Cost, mode: Mode, prefer: Prefer, chosen: bool) -> None:
    choice = choose(npu, cpu, mode, prefer)
    assert choice.npu == chosen
    assert f"npu {npu}, cpu {cpu}" in choice.reason


def test_figures_are_measured() -> None:
    busy = measure(lambda: sum(range(200_000)))
    idle = measure(lambda: time.sleep(0.02))
    assert idle.wall_ms >= 20 > idle.cpu_ms
    assert busy.cpu_ms > 0.5


def test_the_first_run_warms_up_and_does_not_count() -> None:
    waits = iter((0.2, 0.0, 0.0, 0.0))
    assert measure(lambda: time.sleep(next(waits))).wall_ms < 100
    assert next(waits, None) is None


def test_what_takes_long_is_run_once() -> None:
    waits = iter((2.05,))
    assert measure(lambda: time.sleep(next(waits))).wall_ms > 2000
