"""Limits read from folders that look like the /proc and /sys of Docker, of systemd and of a bare machine."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from server.machine.cgroup import cpu_quota, memory_limit
from server.machine.cpu import thread_limits, usable_cores
from server.machine.memory import available_bytes

V2 = "30 23 0:26 {top} /sys/fs/cgroup ro,nosuid shared:4 - cgroup2 cgroup rw,nsdelegate\n"
V1 = "32 31 0:29 {top} /sys/fs/cgroup/cpu,cpuacct ro master:11 - cgroup cgroup rw,cpu,cpuacct\n"
V1_MEMORY = "35 31 0:32 {top} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
OTHER = "22 1 8:1 / / rw,relatime - ext4 /dev/root rw\n"
V1_NONE = 9223372036854771712


def machine(root: Path, mounts: str, own: str, files: Mapping[str, object]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountinfo").write_text(OTHER + mounts)
    (root / "proc/self/cgroup").write_text(own)
    for name, value in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return root


def test_v2_in_a_container_of_its_own_namespace(tmp_path: Path) -> None:
    files = {"cpu.max": "150000 100000", "memory.max": 300 << 20}
    root = machine(tmp_path, V2.format(top="/"), "0::/\n", files)
    assert cpu_quota(root) == 1.5
    assert memory_limit(root) == 300 << 20


def test_v2_on_the_machine_itself_the_tightest_of_the_groups_around_counts(tmp_path: Path) -> None:
    """A systemd service: the limit of its slice binds as well."""
    files = {
        "a.slice/cpu.max": "50000 100000",
        "a.slice/b.service/cpu.max": "max 100000",
        "a.slice/b.service/memory.max": "max",
        "a.slice/memory.max": 1 << 30,
    }
    root = machine(tmp_path, V2.format(top="/"), "0::/a.slice/b.service\n", files)
    assert cpu_quota(root) == 0.5
    assert usable_cores(root) == 1
    assert memory_limit(root) == 1 << 30


def test_v1_in_a_container(tmp_path: Path) -> None:
    """/proc names the groups as the machine sees them, and only the container's own group is mounted."""
    own = "/docker/fe5d39b6"
    mounts = V1.format(top=own) + V1_MEMORY.format(top=own)
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": 200000,
        "cpu,cpuacct/cpu.cfs_period_us": 50000,
        "memory/memory.limit_in_bytes": 314572800,
    }
    root = machine(tmp_path, mounts, f"4:memory:{own}\n1:cpuacct,cpu:{own}\n0::{own}\n", files)
    assert cpu_quota(root) == 4.0
    assert memory_limit(root) == 314572800


def test_v1_without_limits_beside_an_empty_v2(tmp_path: Path) -> None:
    mounts = V1.format(top="/") + V1_MEMORY.format(top="/") + V2.replace("/cgroup ro", "/cgroup/unified ro")
    files = {
        "cpu,cpuacct/cpu.cfs_quota_us": -1,
        "cpu,cpuacct/cpu.cfs_period_us": 100000,
        "memory/a/b/memory.limit_in_bytes": V1_NONE,
        "memory/a/memory.limit_in_bytes": V1_NONE,
    }
    root = machine(tmp_path, mounts.format(top="/"), "4:memory:/a/b\n1:cpu,cpuacct:/\n0::/\n", files)
    assert cpu_quota(root) is None
    assert available_bytes(root) == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("own", ["/../../elsewhere", "/not/below"])
def test_groups_that_a_namespace_hides(tmp_path: Path, own: str) -> None:
    root = machine(tmp_path, V2.format(top="/docker/x"), f"0::{own}\n", {"cpu.max": "300000 100000"})
    assert cpu_quota(root) == 3.0


def test_no_groups_at_all(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
    assert memory_limit(tmp_path) is None
    assert usable_cores(tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("quota", [0.3, 1.0, 1.5, 1000.0])
def test_threads_for_a_quota(tmp_path: Path, quota: float) -> None:
    files = {"cpu.max": f"{int(quota * 100000)} 100000"}
    root = machine(tmp_path, V2.format(top="/"), "0::/\n", files)
    cores = len(os.sched_getaffinity(0))
    assert usable_cores(root) == min(math.ceil(quota), cores)
    assert thread_limits(root) == ({"OMP_NUM_THREADS": str(math.ceil(quota))} if math.ceil(quota) < cores else {})


def test_a_models_budget_is_the_containers(tmp_path: Path) -> None:
    root = machine(tmp_path, V2.format(top="/"), "0::/\n", {"memory.max": 64 << 20})
    assert available_bytes(root) == 64 << 20
