"""The self-tests of the kernel folders on the NPU, in a process of their own, because a driver may hang."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from npu.errors import NpuError
from npu.kernel_folders import Folders
from npu.runtime.npu import open_npu
from server.settings.stages import NpuSettings

LONGEST_S = 120.0
REPEATS = 5


def run_selftests(settings: NpuSettings, longest_s: float = LONGEST_S) -> dict[str, Any]:
    """Run the self-test of each kernel folder on the NPU for at most ``longest_s`` seconds.

    Returns a result by name of overlay, or ``{"reason": ...}`` if nothing could be run.
    """
    if settings.mode == "off":
        return {"reason": "npu.mode is off"}
    simulated = settings.mode == "simulated"
    arguments = [str(settings.device), str(settings.kernels or ""), "host" if simulated else "npu1"]
    command = [sys.executable, "-P", "-m", "server.cli.doctor.npu_selftests", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=longest_s, check=False)  # noqa: S603  our own module
        found: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"reason": f"the self-tests did not end in {longest_s:.0f} s"}
    except ValueError:
        return {"reason": f"the self-tests ended with status {done.returncode}: {done.stderr.decode()[-2000:]}"}
    return found


def _run(node: Path, folders: Folders) -> dict[str, Any]:
    """Run the self-tests in turn, because the device has six contexts; return the results by name of overlay."""
    if not folders.names:
        return {"reason": f"there are no kernel folders in {folders.place}"}
    return {name: _try(name, node, folders) for name in folders.names}


def _try(name: str, node: Path, folders: Folders) -> dict[str, Any]:
    try:
        with open_npu(folders, simulated=folders.target == "host", node=node) as npu:
            begun = perf_counter()
            resident = npu.resident(folders.read(name))
            ready = perf_counter()
            times = [_milliseconds(resident.check) for _ in range(REPEATS)]
            return {
                "passed": str(resident.verdict),
                "load_and_first_ms": round((ready - begun) * 1e3, 3),
                "ms": times,  # includes writing, waiting and comparing on the host
            }
    except NpuError as error:
        return {"failed": error.reason, "cure": error.cure}
    except KeyError:
        return {"failed": "this version has no such overlay"}


def _milliseconds(run: Any) -> float:
    begun = perf_counter()
    run()
    return round((perf_counter() - begun) * 1e3, 3)


if __name__ == "__main__":
    json.dump(_run(Path(sys.argv[1]), Folders(Path(sys.argv[2]) if sys.argv[2] else None, sys.argv[3])), sys.stdout)  # type: ignore[arg-type]
