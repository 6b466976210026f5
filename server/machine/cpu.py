"""Features of the processor, from the kernel's own list, and the number of cores that this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

from server.machine.cgroup import ROOT, cpu_quota

CPUINFO = Path("/proc/cpuinfo")
BF16_MATRIX_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})  # bfloat16 products in hardware, which oneDNN uses
INT8_DOT_FLAGS = frozenset({"avx512_vnni", "avx_vnni"})  # sums of four int8 products without saturation


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


def has_bf16_matrix(flags: frozenset[str]) -> bool:
    """Return True if bfloat16 matrix products run in hardware rather than by conversion to float32."""
    return not BF16_MATRIX_FLAGS.isdisjoint(flags)


def has_int8_dot(flags: frozenset[str]) -> bool:
    """Return True if int8 dot products run in hardware, exactly and fast."""
    return not INT8_DOT_FLAGS.isdisjoint(flags)
