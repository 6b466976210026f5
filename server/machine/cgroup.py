"""Limits on processor time and memory that control groups set for this process, as container engines do.

A limit of a group holds for all groups inside it, so the group of this process and every visible one around it are
read: cgroup v2 (cpu.max, memory.max) and v1 (cpu.cfs_quota_us, memory.limit_in_bytes), also side by side. Formats: the
kernel's Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, scheduler/sched-bwc.rst, and
proc_pid_mountinfo(5). ``root`` is the directory that holds proc/ and sys/; tests pass one of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return the number of cores whose time this process may use, such as 1.5; None for no limit."""
    quotas = []
    for group in _groups("cpu", root):
        given = _words(group / "cpu.max") or _words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us")
        match given:
            case [quota, period] if quota not in ("max", "-1"):
                quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def memory_limit(root: Path = ROOT) -> int | None:
    """Return the bytes that this process and the others in its groups may use together; None for no limit.

    Version 1 states 2^63 rounded down to pages where there is no limit. That number is returned as it is, because
    every machine has less memory.
    """
    limits = []
    for group in _groups("memory", root):
        match _words(group / "memory.max") or _words(group / "memory.limit_in_bytes"):
            case [limit] if limit != "max":
                limits.append(int(limit))
    return min(limits, default=None)


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Yield the directories of this process's control groups for ``controller``, the innermost first."""
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
    """Return the path of this process's control group in the hierarchy of ``controller``, which is "" in version 2."""
    for line in _lines(root / "proc/self/cgroup"):
        _number, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return PurePosixPath(path)
    return PurePosixPath("/")


def _below(top: PurePosixPath, own: PurePosixPath) -> PurePosixPath:
    """Return the path of the group ``own`` relative to the mounted group ``top``; "." where a namespace hides it."""
    return own.relative_to(top) if own.is_relative_to(top) and ".." not in own.parts else PurePosixPath()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
