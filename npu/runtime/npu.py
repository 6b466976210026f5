"""The NPU of a process: one open device, and its loaded overlays, all of which are given up at the first fault.

An overlay is a configuration of the NPU's cores. The models of a process share one ``Npu``, because the hardware has
six contexts (loaded overlays) for the whole machine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock
from types import TracebackType

from kernels.package.verify import KernelFolder
from npu.errors import NpuError, NpuUnavailable
from npu.kernel_folders import Folders
from npu.probe import NODE, probe
from npu.runtime.resident import Resident
from npu.xrt.device import Device, pyxrt

log = logging.getLogger(__name__)

SIMULATED_S = 600.0  # the longest that the simulated device may take for a launch


class Npu:
    """An open NPU with its loaded overlays, the configurations of its cores; a context manager that closes it.

    ``device`` is its name in answers: "npu", or "npu (simulated)". ``retired`` is the reason why nothing is launched
    any more, None while the NPU is in use.
    """

    def __init__(self, device: Device, folders: Folders, name: str = "npu") -> None:
        self.device = name
        self.folders = folders
        self.retired: str | None = None
        self._device = device
        self._residents: dict[str, Resident] = {}
        self._lock = Lock()

    def resident(self, folder: KernelFolder) -> Resident:
        """Return the loaded overlay of a kernel folder; the first call for an overlay loads it and runs its self-test.

        Raises FolderRefused, NpuUnavailable, WrongResult, LaunchTimeout, LaunchFailed, DeviceLost.
        """
        with self._lock:
            self.check_serving()
            name = folder.manifest.design
            if name not in self._residents:
                self._residents[name] = Resident(self._device.load(folder))
            return self._residents[name]

    @property
    def residents(self) -> tuple[Resident, ...]:
        """The overlays (configurations of the NPU's cores) that are loaded, in the order of loading."""
        return tuple(self._residents.values())

    def check_serving(self) -> None:
        """Raise NpuUnavailable, with the reason, if the NPU was retired or closed."""
        if self.retired is not None:
            raise NpuUnavailable(self.retired)

    def retire(self, error: NpuError) -> None:
        """End the use of the NPU after a fault: close its overlays and the device, and log the reason.

        Later calls change nothing; the reason of the first one stays in ``retired``.
        """
        with self._lock:
            if self.retired is not None:
                return
            self.retired = error.reason
        log.error("The NPU is retired: %s. The CPU does its work from now on.", error.reason)
        self._free()

    def close(self) -> None:
        """Close the overlays and the device; nothing can be launched afterwards."""
        self.retired = self.retired or "it was closed"
        self._free()

    def _free(self) -> None:
        for resident in self.residents:
            resident.close()
        self._device.close()

    def __enter__(self) -> Npu:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_npu(folders: Folders | None = None, *, simulated: bool = False, node: Path = NODE) -> Npu:
    """Open the NPU of this machine, or a simulated one, whose kernel folders are built on demand.

    Raises NpuUnavailable with the reason and the cure.

        with open_npu(simulated=True) as npu:
            features = NpuMel(npu, n_mels=80)([samples])
    """
    if simulated:
        from npu.simulated import Machine

        device = Device(Machine().pyxrt, target="host", watchdog_s=SIMULATED_S)
        return Npu(device, folders or Folders(target="host"), "npu (simulated)")
    report = probe(node)
    if report.problems:
        raise NpuUnavailable(report.problems[0].what, report.problems[0].cure)
    return Npu(Device(pyxrt(), report.index), folders or Folders())


_shared: dict[Hashable, tuple[Npu, int]] = {}  # each open NPU with the number of its users
_shared_lock = Lock()


def acquire(key: Hashable, open_: Callable[[], Npu]) -> Npu:
    """Return the NPU that is open under ``key``; the first caller opens it by ``open_``.

    Every call must be matched by a call of ``release``, and the last one closes the NPU.
    """
    with _shared_lock:
        npu, users = _shared.get(key) or (open_(), 0)
        _shared[key] = npu, users + 1
        return npu


def release(npu: Npu) -> None:
    """End one use of an NPU that ``acquire`` returned; the last user's call closes it. Another NPU is ignored."""
    with _shared_lock:
        key = next((key for key, (shared, _) in _shared.items() if shared is npu), None)
        if key is None:
            return
        _, users = _shared.pop(key)
        if users > 1:
            _shared[key] = npu, users - 1
            return
    npu.close()
