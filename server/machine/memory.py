"""Memory of this machine, or of the container, and of one process."""

from __future__ import annotations

import os
from pathlib import Path

from server.machine.cgroup import ROOT, memory_limit

PAGE = os.sysconf("SC_PAGE_SIZE")


def available_bytes(root: Path = ROOT) -> int:
    """What the machine has, or what its container may use."""
    machine = os.sysconf("SC_PHYS_PAGES") * PAGE
    limit = memory_limit(root)
    return machine if limit is None else min(machine, limit)


def rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0
