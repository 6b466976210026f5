"""A watched stage: canaries in time, nothing given away in doubt, and one reason that stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernels.package.verify import KernelFolder
from npu.errors import DeviceLost, LaunchFailed, LaunchTimeout, NpuError, NpuUnavailable, WrongResult
from npu.kernel_folders import Folders
from npu.runtime import keep_alive as guard
from npu.runtime.keep_alive import Guarded, KeepAlive
from npu.runtime.npu import Npu
from npu.runtime.resident import Resident
from npu.simulated import Machine
from npu.simulated.faults import DriverTimeout, Ends, Fault, Garbage, Hang, Lost
from npu.xrt import device as xrt

WATCHDOG_S = 0.5


@pytest.fixture
def npu(machine: Machine, tmp_path: Path) -> Iterator[Npu]:
    device = xrt.Device(machine.pyxrt, target="host", watchdog_s=WATCHDOG_S)
    with Npu(device, Folders(tmp_path, "host", tmp_path)) as opened:
        yield opened


@pytest.fixture
def resident(npu: Npu, scale: KernelFolder) -> Resident:
    return npu.resident(scale)


def same(batch: list[int]) -> list[int]:
    return batch


def until(done: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_a_canary_every_so_many_windows(npu: Npu, resident: Resident) -> None:
    guarded = Guarded(npu, same, [resident], canary_windows=5)
    seen = []
    for _ in range(8):
        guarded([1, 2])
        seen.append(guarded.canaries)
    assert seen == [0, 0, 1, 1, 1, 2, 2, 2]


def test_a_canary_after_idle_comes_before_the_next_window(npu: Npu, resident: Resident, machine: Machine) -> None:
    calls: list[list[int]] = []

    def stage(batch: list[int]) -> None:
        calls.append(batch)

    guarded = Guarded(npu, stage, [resident], canary_windows=1000, idle_s=0.05)
    guarded([1])
    assert guarded.canaries == 0
    time.sleep(0.06)
    guarded([2])
    assert guarded.canaries == 1
    machine.faults.append(Garbage())
    time.sleep(0.06)
    with pytest.raises(WrongResult, match="a canary found it wrong"):
        guarded([3])
    assert calls == [[1], [2]], "nothing was computed after the doubt"


def test_what_was_computed_before_a_canary_that_dies_is_not_given_away(
    npu: Npu, resident: Resident, machine: Machine
) -> None:
    guarded = Guarded(npu, same, [resident], canary_windows=2)
    assert guarded([1]) == [1]
    machine.faults.append(Garbage())
    with pytest.raises(WrongResult) as caught:
        guarded([2])
    assert npu.retired == caught.value.reason
    assert "host model" in caught.value.reason
    assert machine.contexts == 0, "the device is given back"
    with pytest.raises(NpuUnavailable) as again:
        guarded([3])
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
    guarded = Guarded(npu, same, [resident], canary_windows=1)
    machine.faults.append(fault)
    began = time.monotonic()
    with pytest.raises(error):
        guarded([1])
    assert time.monotonic() - began < WATCHDOG_S + 2
    assert npu.retired
    assert "scale" in npu.retired


def test_a_fault_of_our_own_is_no_fault_of_the_request(npu: Npu, resident: Resident) -> None:
    def stage(batch: list[int]) -> list[int]:
        raise KeyError(batch[0])

    with pytest.raises(NpuUnavailable, match="KeyError: 7"):
        Guarded(npu, stage, [resident], canary_windows=1)([7])
    assert npu.retired == "the NPU stage failed (KeyError: 7)"


def test_nothing_is_loaded_after_the_end(npu: Npu, resident: Resident, scale: KernelFolder) -> None:
    del resident
    npu.close()
    with pytest.raises(NpuUnavailable, match="it was closed"):
        npu.resident(scale)


def test_an_overlay_is_loaded_once(npu: Npu, resident: Resident, scale: KernelFolder, machine: Machine) -> None:
    assert npu.resident(scale) is resident
    assert machine.contexts == 1


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


def test_idle_is_a_minute() -> None:
    assert guard.IDLE_S == 60, "as config.yaml and docs/settings.md say"
