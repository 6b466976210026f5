"""Features of the processor, from the kernel's own list, and the number of cores that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

from server.machine.cgroup import ROOT, cpu_quota

CPUINFO = Path("/proc/cpuinfo")
# Threads that spin while they wait starve other processes on the same cores: on a busy machine pyannote took 20 times
# as long, and the decoder takes twice the processor time.
SLEEPING_THREADS = {"OMP_WAIT_POLICY": "PASSIVE"}


def usable_cores(root: Path = ROOT) -> int:
    """Return the number of threads to run: the cores of this process, or fewer if a container's quota is smaller."""
    cores = len(os.sched_getaffinity(0))
    quota = cpu_quota(root)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def thread_limits(root: Path = ROOT) -> dict[str, str]:
    """Return environment variables that limit the threads of libraries which ignore a container's quota.

    The dictionary is empty if no quota applies.
    """
    cores = usable_cores(root)
    return {"OMP_NUM_THREADS": str(cores)} if cores < len(os.sched_getaffinity(0)) else {}


def let_threads_sleep() -> None:
    """Let the threads of libraries that are loaded from now on sleep while they wait, unless the user says otherwise.

    The environment of this process is changed, where OpenMP reads it once.
    """
    for name, value in SLEEPING_THREADS.items():
        os.environ.setdefault(name, value)


def cpu_name(cpuinfo: Path = CPUINFO) -> str:
    """Return the name of the processor, as the kernel gives it; empty where it gives none."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def cpu_flags(cpuinfo: Path = CPUINFO) -> frozenset[str]:
    """Return the feature flags that every core has, by Linux's names, such as avx512_bf16.

    The set is empty where ``cpuinfo`` cannot be read or has no flags.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    cores = [
        frozenset(value.split()) for key, _, value in (line.partition(":") for line in lines) if key.rstrip() == "flags"
    ]
    return frozenset.intersection(*cores) if cores else frozenset()
