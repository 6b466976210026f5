"""What the control groups of this process leave it of the machine, as a container's limits are set.

A limit of a group holds for all groups inside it, so the own group and every one around it are asked, as far as they
are to be seen: cgroup v2 (cpu.max, memory.max) and v1 (cpu.cfs_quota_us, memory.limit_in_bytes), also side by side.
Formats: the kernel's Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, scheduler/sched-bwc.rst, and
proc_pid_mountinfo(5). ``root`` is where /proc and /sys hang; tests give a folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def cpu_quota(root: Path = ROOT) -> float | None:
    """Cores' worth of time that this process may use, such as 1.5; None for no limit."""
    quotas = []
    for group in _groups("cpu", root):
        given = _words(group / "cpu.max") or _words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us")
        match given:
            case [quota, period] if quota not in ("max", "-1"):
                quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def memory_limit(root: Path = ROOT) -> int | None:
    """Bytes that this process and those in its groups may use together; None for no limit.

    v1 says 2^63 rounded down to pages for no limit, which is passed on: every machine has less.
    """
    limits = []
    for group in _groups("memory", root):
        match _words(group / "memory.max") or _words(group / "memory.limit_in_bytes"):
            case [limit] if limit != "max":
                limits.append(int(limit))
    return min(limits, default=None)


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Directories of the own groups, the innermost first."""
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, source = line.partition(" - ")
        top, point = mount.split()[3:5]
        kind, _device, options = source.split(maxsplit=2)
        version2 = kind == "cgroup2"
        if version2 or (kind == "cgroup" and controller in options.split(",")):
            below = _below(PurePosixPath(top), _own("" if version2 else controller, root))
            directory = root / point.lstrip("/")
            yield from (directory / part for part in (below, *below.parents))


def _own(controller: str, root: Path) -> PurePosixPath:
    """The own group in the hierarchy of ``controller``, which has no name in v2."""
    for line in _lines(root / "proc/self/cgroup"):
        _number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return PurePosixPath(path)
    return PurePosixPath("/")


def _below(top: PurePosixPath, own: PurePosixPath) -> PurePosixPath:
    """The own group as seen from the mounted one; a namespace may hide the way, and then that one is the own."""
    return own.relative_to(top) if own.is_relative_to(top) and ".." not in own.parts else PurePosixPath()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
