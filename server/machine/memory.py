"""The memory of this machine or container, and that of one process."""

from __future__ import annotations

import os
from pathlib import Path

from server.machine.cgroup import ROOT, memory_limit

PAGE = os.sysconf("SC_PAGE_SIZE")


def available_bytes(root: Path = ROOT) -> int:
    """Return the bytes of memory that the machine has, or that its container may use if that is less."""
    machine = os.sysconf("SC_PHYS_PAGES") * PAGE
    limit = memory_limit(root)
    return machine if limit is None else min(machine, limit)


def rss_bytes(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 if the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0
