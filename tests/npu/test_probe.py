from __future__ import annotations

import grp
import os
import pwd
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from npu.probe import HEAP_BYTES, DeviceReport, probe

FIRMWARE = "1.5.5.391"


class Machine:
    """A fake /dev, /sys and /proc: at first those of a Phoenix machine without problems."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.node = root / "dev/accel/accel0"
        self.node.parent.mkdir(parents=True)
        self.node.symlink_to("/dev/null")
        self.write("sys/devices/pci0000:00/0000:c7:00.1/vbnv", "RyzenAI-npu1\n")
        self.write("sys/devices/pci0000:00/0000:c7:00.1/fw_version", f"{FIRMWARE}\n")
        self.link("sys/class/accel/accel0/device", "sys/devices/pci0000:00/0000:c7:00.1")
        self.drive("amdxdna")
        self.write("proc/sys/kernel/osrelease", "6.14.0-29-generic\n")
        self.allow_locking(allowed=True)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def link(self, path: str, target: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).unlink(missing_ok=True)
        (self.root / path).symlink_to(self.root / target)

    def drive(self, driver: str) -> None:
        (self.root / "sys/bus/pci/drivers" / driver).mkdir(parents=True)
        self.link("sys/devices/pci0000:00/0000:c7:00.1/driver", f"sys/bus/pci/drivers/{driver}")

    def add(self, name: str, driver: str) -> None:
        """Add another accelerator, with its node and its driver."""
        self.node.with_name(name).symlink_to("/dev/null")
        (self.root / "sys/bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
        self.link(f"sys/devices/{name}/driver", f"sys/bus/pci/drivers/{driver}")
        self.link(f"sys/class/accel/{name}/device", f"sys/devices/{name}")

    def allow_locking(self, *, allowed: bool) -> None:
        self.write("proc/self/status", f"Name:\tpython\nCapEff:\t{(1 << 14) * allowed:016x}\n")

    def probe(self) -> DeviceReport:
        return probe(self.node, self.root)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "pyxrt.py").write_text("raise AssertionError('probe must not import pyxrt')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return Machine(tmp_path / "root")


@pytest.fixture
def memlock() -> Iterator[int]:
    """Lower the soft limit of locked memory to 8 MiB, the default of containers and logins."""
    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    low = 8 << 20 if before[1] == resource.RLIM_INFINITY else min(8 << 20, before[1])
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (low, before[1]))
    yield low
    resource.setrlimit(resource.RLIMIT_MEMLOCK, before)


def test_a_machine_on_which_all_is_well(machine: Machine) -> None:
    report = machine.probe()
    assert report.reason is None
    assert (report.driver, report.name, report.firmware) == ("amdxdna", "RyzenAI-npu1", FIRMWARE)
    assert (report.present, report.accessible, report.pyxrt) == (True, True, True)
    assert report.kernel == "6.14.0-29-generic"
    assert report.memlock_bytes is None
    assert "pyxrt" not in sys.modules


def test_without_a_node(machine: Machine) -> None:
    machine.node.unlink()
    report = machine.probe()
    assert (report.present, report.accessible) == (False, False)
    assert report.reason == f"there is no {machine.node}"
    assert "modprobe amdxdna" in report.problems[0].cure
    assert [problem.subject for problem in report.problems] == ["node"]


def test_an_old_kernel_is_the_cause_of_a_missing_node(machine: Machine) -> None:
    machine.node.unlink()
    machine.write("proc/sys/kernel/osrelease", "6.8.0-45-generic")
    assert "Linux 6.8.0-45-generic is older than 6.14" in (machine.probe().reason or "")


def test_an_old_kernel_with_a_driver_of_its_own_is_no_problem(machine: Machine) -> None:
    machine.write("proc/sys/kernel/osrelease", "6.11.0-with-dkms")
    assert machine.probe().reason is None


def test_a_node_of_another_driver(machine: Machine) -> None:
    machine.drive("intel_vpu")
    assert "belongs to the driver intel_vpu" in (machine.probe().reason or "")


def test_an_npu_of_another_generation(machine: Machine) -> None:
    machine.write("sys/devices/pci0000:00/0000:c7:00.1/vbnv", "RyzenAI-npu4")
    assert "RyzenAI-npu4 is another generation" in (machine.probe().reason or "")


def test_sysfs_that_a_container_hides_is_no_problem(machine: Machine) -> None:
    (machine.root / "sys/class/accel/accel0/device").unlink()
    report = machine.probe()
    assert (report.driver, report.name, report.firmware) == (None, None, None)
    assert report.reason is None


def test_a_node_that_this_user_may_not_open(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_args: False)  # root may open everything
    report = machine.probe()
    assert report.reason == f"this user may not read and write {machine.node}"
    assert "usermod -aG" in report.problems[0].cure


def test_a_node_that_its_group_may_not_open_either(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.node.unlink()
    machine.node.touch(mode=0o600)
    monkeypatch.setattr(os, "access", lambda *_args: False)
    assert "udev rule" in machine.probe().problems[0].cure


def test_a_session_that_began_before_its_user_was_in_the_group(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "access", lambda *_args: False)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("render", "x", gid, [me])))
    assert machine.probe().problems[0].cure == (
        "log in again: you are in the group render, and this session began before"
    )


@pytest.mark.parametrize(
    ("firmware", "old"), [("1.5.5.391", False), ("1.5.2.380", True), ("1.10.0.1", False), ("unknown", False)]
)
def test_old_firmware(machine: Machine, firmware: str, old: bool) -> None:
    machine.write("sys/devices/pci0000:00/0000:c7:00.1/fw_version", f"{firmware}\n")
    report = machine.probe()
    assert [problem.subject for problem in report.problems] == ["firmware"] * old
    if old:
        assert report.reason == (
            "the NPU's firmware 1.5.2.380 is older than 1.5.5.391, the oldest that is known to work"
        )
        assert "linux-firmware" in report.problems[0].cure


def test_both_names_of_the_device(machine: Machine) -> None:
    machine.write("sys/devices/pci0000:00/0000:c7:00.1/vbnv", "NPU Phoenix\n")
    assert machine.probe().reason is None


def test_the_npu_is_another_node(machine: Machine) -> None:
    """accel0 is another vendor's; the NPU is accel1, and the first one that XRT knows."""
    machine.add("accel1", "amdxdna")
    machine.drive("intel_vpu")
    other = machine.node.with_name("accel1")
    report = machine.probe()
    assert report.npus == (other,)
    assert report.problems[0].cure == f"set npu.device to {other}, which is an NPU"
    assert (probe(other, machine.root).index, probe(other, machine.root).driver) == (0, "amdxdna")


def test_nodes_are_counted_as_numbers(machine: Machine) -> None:
    for number in (10, 2):
        machine.add(f"accel{number}", "amdxdna")
    assert [node.name for node in machine.probe().npus] == ["accel0", "accel2", "accel10"]
    assert probe(machine.node.with_name("accel10"), machine.root).index == 2


def test_a_missing_node_beside_an_npu(machine: Machine) -> None:
    machine.add("accel1", "amdxdna")
    machine.node.unlink()
    assert machine.probe().problems[0].cure.startswith(f"set npu.device to {machine.node.with_name('accel1')}")


def test_without_pyxrt(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyxrt", None)  # as if not installed, whatever this machine has
    report = machine.probe()
    assert report.pyxrt is False
    assert report.reason == "the Python module pyxrt is not installed"


def test_little_locked_memory(machine: Machine, memlock: int) -> None:
    machine.allow_locking(allowed=False)
    report = machine.probe()
    assert report.memlock_bytes == memlock < HEAP_BYTES
    assert f"only {memlock >> 10} KiB of memory may be locked" in (report.reason or "")


def test_the_capability_lifts_the_limit(machine: Machine, memlock: int) -> None:
    assert machine.probe().memlock_bytes is None


def test_every_problem_is_listed_the_basic_one_first(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, memlock: int
) -> None:
    machine.node.unlink()
    machine.allow_locking(allowed=False)
    monkeypatch.setitem(sys.modules, "pyxrt", None)  # as if not installed, whatever this machine has
    assert [problem.subject for problem in machine.probe().problems] == ["node", "pyxrt", "memlock"]


def test_this_machine_can_be_probed() -> None:
    report = probe()
    assert report.present or report.reason
