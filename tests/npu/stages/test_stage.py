"""The base of the NPU stages: self-tests run in time, no doubtful result is returned, the first reason is kept."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from kernels.mel.audio import Float32
from npu.errors import DeviceLost, LaunchFailed, LaunchTimeout, NpuError, NpuUnavailable, WrongResult
from npu.runtime.npu import Npu
from npu.runtime.resident import Resident
from npu.simulated import Machine
from npu.simulated.faults import DriverTimeout, Ends, Fault, Garbage, Hang, Lost
from npu.stages.stage import IDLE_S, SLOTS, NpuStage
from tests.npu.conftest import WATCHDOG_S, ReadyOverlay


class Echo(NpuStage[Float32]):
    """An NPU stage that launches the small design for each window, and returns the windows unchanged.

    The windows are float32 [B, 1].
    """

    def __init__(self, npu: Npu, resident: Resident, **options: Any) -> None:
        ready = [ReadyOverlay.of(resident.overlay) for _ in range(SLOTS)]
        self.written: list[float] = []
        super().__init__("echo", npu, [(resident, ready[0].program)], [slot.buffers for slot in ready], **options)

    def _allocate(self, batch: Float32) -> Float32:
        return np.empty_like(batch)

    def _write(self, window: Float32, slot: int) -> None:
        del slot
        self.written.append(float(window[0]))

    def _read(self, slot: int, result: Float32) -> None:
        del slot
        result[:] = self.written[-1]


def batch(*windows: float) -> Float32:
    return np.array(windows, np.float32)[:, None]


def test_a_canary_every_so_many_windows(npu: Npu, resident: Resident) -> None:
    stage = Echo(npu, resident, canary_windows=5)
    seen = []
    for _ in range(8):
        stage(batch(1, 2))
        seen.append(stage.canaries)
    assert seen == [0, 0, 1, 1, 1, 2, 2, 2]


def test_a_canary_after_idle_comes_before_the_next_window(npu: Npu, resident: Resident, machine: Machine) -> None:
    stage = Echo(npu, resident, canary_windows=1000, idle_s=0.05)
    stage(batch(1))
    assert stage.canaries == 0
    time.sleep(0.06)
    stage(batch(2))
    assert stage.canaries == 1
    machine.faults.append(Garbage())
    time.sleep(0.06)
    with pytest.raises(WrongResult, match="a canary found it wrong"):
        stage(batch(3))
    assert stage.written == [1, 2], "nothing was computed after the doubt"


def test_what_was_computed_before_a_canary_that_dies_is_not_given_away(
    npu: Npu, resident: Resident, machine: Machine
) -> None:
    stage = Echo(npu, resident, canary_windows=2)
    assert stage(batch(1)) == [[1]]
    machine.faults.append(Garbage())
    with pytest.raises(WrongResult) as caught:
        stage(batch(2))
    assert npu.retired == caught.value.reason
    assert "host model" in caught.value.reason
    assert machine.contexts == 0, "the device is given back"
    with pytest.raises(NpuUnavailable) as again:
        stage(batch(3))
    assert again.value.reason == npu.retired
    npu.retire(DeviceLost("something later"))
    assert npu.retired == caught.value.reason, "the first reason stays"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Hang(), LaunchTimeout),
        (DriverTimeout(), LaunchTimeout),
        (Ends(), LaunchFailed),
        (Lost(), DeviceLost),
        (Garbage(), WrongResult),
    ],
)
def test_every_fault_retires_with_its_name(
    npu: Npu, resident: Resident, machine: Machine, fault: Fault, error: type[NpuError]
) -> None:
    stage = Echo(npu, resident, canary_windows=1)
    machine.faults.append(fault)
    began = time.monotonic()
    with pytest.raises(error):
        stage(batch(1))
    assert time.monotonic() - began < WATCHDOG_S + 2
    assert npu.retired
    assert "scale" in npu.retired


def test_a_fault_of_our_own_is_no_fault_of_the_request(npu: Npu, resident: Resident) -> None:
    class Broken(Echo):
        def _write(self, window: Float32, slot: int) -> None:
            raise KeyError(int(window[0]))

    with pytest.raises(NpuUnavailable, match="KeyError: 7"):
        Broken(npu, resident, canary_windows=1)(batch(7))
    assert npu.retired == "the NPU stage failed (KeyError: 7)"


def test_a_stage_without_canaries_retires_the_npu_as_well(npu: Npu, resident: Resident, machine: Machine) -> None:
    stage = Echo(npu, resident)
    assert (stage(batch(1, 1, 1)) == 1).all()
    assert (stage.canaries, stage.metrics()["windows"]) == (0, 3)
    machine.faults.append(Ends())
    with pytest.raises(LaunchFailed):
        stage(batch(1))
    assert npu.retired


def test_idle_is_a_minute() -> None:
    assert IDLE_S == 60, "as config.yaml and docs/settings.md say"
