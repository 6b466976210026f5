"""KeepAlive launches on an idle NPU only, and retires it where such a launch fails."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from npu.runtime.keep_alive import KeepAlive
from npu.runtime.npu import Npu
from npu.runtime.resident import Resident
from npu.simulated import Machine
from npu.simulated.faults import Fault, Garbage, Lost


def until(done: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_an_idle_npu_is_kept_awake(npu: Npu, resident: Resident) -> None:
    keep = KeepAlive(npu, resident, seconds=0.02)
    assert until(lambda: keep.launches >= 3)
    keep.close()
    launches = keep.launches
    time.sleep(0.1)
    assert keep.launches == launches


def test_a_busy_npu_is_left_alone(npu: Npu, resident: Resident) -> None:
    keep = KeepAlive(npu, resident, seconds=30)
    time.sleep(0.05)
    keep.close()
    assert keep.launches == 0


@pytest.mark.parametrize(("fault", "why"), [(Garbage(), "self-test"), (Lost(gone=True), "the NPU was lost")])
def test_what_keeping_it_awake_finds_wrong_retires_it(
    fault: Fault, why: str, npu: Npu, resident: Resident, machine: Machine
) -> None:
    machine.faults.append(fault)
    keep = KeepAlive(npu, resident, seconds=0.01)
    assert until(lambda: npu.retired is not None)
    assert why in (npu.retired or "")
    keep.close()
    assert keep.launches == 0
