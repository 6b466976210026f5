"""The search for an NPU that this process may use, without opening it.

Sources: the driver is amdxdna, in Linux since 6.14; its attributes ``vbnv`` and ``fw_version`` are in
drivers/accel/amdxdna/amdxdna_sysfs.c@0b119045 of torvalds/linux, the name RyzenAI-npu1 (PCI 1022:1502, Phoenix and
Hawk Point) in npu1_regs.c, the 64 MiB heap in aie2_pci.h of amd/xdna-driver. Firmware 1.5.5.391 is the oldest with
published results on Phoenix and Hawk Point (whisper-xdna, open-xdna).
"""

from __future__ import annotations

import dataclasses
import grp
import importlib.util
import os
import pwd
import re
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NODE = Path("/dev/accel/accel0")
DRIVER = "amdxdna"
NPU1_NAMES = ("npu1", "Phoenix")  # the name is "NPU Phoenix" in XRT and "RyzenAI-npu1" in sysfs
FIRST_KERNEL = (6, 14)
HEAP_BYTES = 64 << 20  # the driver pins this much for instructions when a context is opened
CAP_IPC_LOCK = 1 << 14  # linux/capability.h
FIRST_FIRMWARE = (1, 5, 5, 391)
SHARED_BY_GROUP = 0o060  # a node that its group may read and write

Subject = Literal["node", "access", "driver", "firmware", "memlock", "pyxrt"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One obstacle to the use of the NPU, ``what``, and its remedy, ``cure``, both as clauses without a full stop."""

    subject: Subject
    what: str
    cure: str


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """The facts about an NPU that can be read without opening it (None where unreadable), and its problems.

    ``memlock_bytes`` is the soft limit of locked memory, None for unlimited or where CAP_IPC_LOCK lifts it. ``npus``
    are the device nodes of all NPUs with the driver amdxdna in the order in which XRT counts them (by our reading;
    tried on no machine with two). ``problems`` begin with the most basic one.
    """

    node: Path
    present: bool
    accessible: bool
    driver: str | None
    name: str | None
    firmware: str | None
    kernel: str
    memlock_bytes: int | None
    pyxrt: bool
    problems: tuple[Problem, ...]
    npus: tuple[Path, ...] = ()

    @property
    def index(self) -> int:
        """The number by which XRT opens this device: the position of ``node`` in ``npus``, else 0."""
        return self.npus.index(self.node) if self.node in self.npus else 0

    @property
    def reason(self) -> str | None:
        """The most basic problem that keeps the NPU from being used, None if there is none."""
        return self.problems[0].what if self.problems else None


def probe(node: Path = NODE, root: Path = Path("/")) -> DeviceReport:
    """Report the state and the problems of the NPU at ``node`` without opening it.

    ``root`` is the directory that contains sys and proc. A missing file is no error; its fact is None in the report.
    """
    sysfs = root / "sys/class/accel" / node.name / "device"
    driver = sysfs / "driver"
    seen = DeviceReport(
        node=node,
        present=node.exists(),
        accessible=os.access(node, os.R_OK | os.W_OK),
        driver=driver.resolve().name if driver.exists() else None,
        name=_read(sysfs / "vbnv"),
        firmware=_read(sysfs / "fw_version"),
        kernel=_read(root / "proc/sys/kernel/osrelease") or "unknown",
        memlock_bytes=_memlock(root / "proc/self/status"),
        pyxrt=importlib.util.find_spec("pyxrt") is not None,
        problems=(),
        npus=_npus(node.parent, root),
    )
    checks = (_node_problem, _driver_problem, _firmware_problem, _access_problem, _pyxrt_problem, _memlock_problem)
    problems = tuple(problem for check in checks if (problem := check(seen)))
    return dataclasses.replace(seen, problems=problems)


def _node_problem(seen: DeviceReport) -> Problem | None:
    if seen.present:
        return None
    if other := _other(seen):
        return Problem("node", f"there is no {seen.node}", f"set npu.device to {other}, which is an NPU")
    if _version(seen.kernel) < FIRST_KERNEL:
        return Problem(
            "node",
            f"there is no {seen.node}, and Linux {seen.kernel} is older than 6.14, the first with the driver {DRIVER}",
            "install Linux 6.14 or newer",
        )
    return Problem(
        "node",
        f"there is no {seen.node}",
        f"on a machine with a Ryzen AI NPU, switch it on in the firmware setup and run `modprobe {DRIVER}`; "
        f"in a container, pass --device {seen.node}",
    )


def _driver_problem(seen: DeviceReport) -> Problem | None:
    if seen.driver not in (None, DRIVER):
        what = f"{seen.node} belongs to the driver {seen.driver}, not to {DRIVER}"
        other = _other(seen)
        cure = f"set npu.device to {other}, which is an NPU" if other else f"load {DRIVER} with `modprobe {DRIVER}`"
        return Problem("driver", what, cure)
    if seen.name is not None and not any(name in seen.name for name in NPU1_NAMES):
        what = f"{seen.name} is another generation than Phoenix and Hawk Point (npu1), which the kernels are built for"
        return Problem("driver", what, "set npu.mode to off")
    return None


def _firmware_problem(seen: DeviceReport) -> Problem | None:
    numbers = tuple(map(int, re.findall(r"\d+", seen.firmware or "")))
    if len(numbers) != len(FIRST_FIRMWARE) or numbers >= FIRST_FIRMWARE:
        return None
    first = ".".join(map(str, FIRST_FIRMWARE))
    return Problem(
        "firmware",
        f"the NPU's firmware {seen.firmware} is older than {first}, the oldest that is known to work",
        "install a newer linux-firmware (amdnpu/1502_00) and restart the machine",
    )


def _access_problem(seen: DeviceReport) -> Problem | None:
    if seen.accessible or not seen.present:
        return None
    what = f"this user may not read and write {seen.node}"
    status = seen.node.stat()
    if status.st_mode & SHARED_BY_GROUP != SHARED_BY_GROUP:
        rule = 'SUBSYSTEM=="accel", GROUP="render", MODE="0660"'
        return Problem("access", what, f"let the group render have it: a udev rule `{rule}`, then restart")
    group, members = _group(status.st_gid)
    if _user() in members:
        return Problem("access", what, f"log in again: you are in the group {group}, and this session began before")
    return Problem(
        "access",
        what,
        f"run `sudo usermod -aG {group} $USER` and log in again; in a container, pass --group-add {status.st_gid}, "
        f"the number of the group {group}",
    )


def _pyxrt_problem(seen: DeviceReport) -> Problem | None:
    if seen.pyxrt:
        return None
    return Problem(
        "pyxrt",
        "the Python module pyxrt is not installed",
        "install XRT 2.20 or newer (Debian: `apt install -t trixie-backports python3-xrt libxrt-npu2`) and use the "
        "Python version that it was built for",
    )


def _memlock_problem(seen: DeviceReport) -> Problem | None:
    if seen.memlock_bytes is None or seen.memlock_bytes >= HEAP_BYTES:
        return None
    return Problem(
        "memlock",
        f"only {seen.memlock_bytes >> 10} KiB of memory may be locked, and the driver needs {HEAP_BYTES >> 20} MiB",
        "raise it with `ulimit -l unlimited`, LimitMEMLOCK=infinity in a systemd unit, or --ulimit memlock=-1 for a "
        "container",
    )


def _memlock(status: Path) -> int | None:
    lines = (_read(status) or "").splitlines()
    capabilities = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    soft, _hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return None if soft == resource.RLIM_INFINITY or capabilities & CAP_IPC_LOCK else soft


def _npus(folder: Path, root: Path) -> tuple[Path, ...]:
    """Return the device nodes in ``folder`` that belong to the driver amdxdna, ordered by number."""
    drivers = (path for path in (root / "sys/class/accel").glob("accel*") if (path / "device/driver").exists())
    names = [path.name for path in drivers if (path / "device/driver").resolve().name == DRIVER]
    return tuple(folder / name for name in sorted(names, key=lambda name: (len(name), name)))


def _other(seen: DeviceReport) -> Path | None:
    """Return an existing NPU's device node other than the probed one, None if there is none."""
    return next((node for node in seen.npus if node != seen.node and node.exists()), None)


def _user() -> str | None:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container has the number without the name
        return None


def _group(gid: int) -> tuple[str, list[str]]:
    """Return the name and the members of the group ``gid``; a group without a name gives its number and no members."""
    try:
        found = grp.getgrgid(gid)
    except KeyError:  # as above
        return str(gid), []
    return found.gr_name, found.gr_mem


def _version(release: str) -> tuple[int, int]:
    """Return major and minor version of a Linux release: (6, 14) for "6.14.0-29-generic".

    An unreadable release counts as 6.14, the first version with the driver.
    """
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return (int(numbers[1]), int(numbers[2])) if numbers else FIRST_KERNEL


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
