"""The NPU as a process has it: one device, every overlay loaded and tried once, and the end of it all at a fault."""

from __future__ import annotations

import logging
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

SIMULATED_S = 600.0  # what the simulated device may take for a launch


class Npu:
    """An open device. ``device`` is its name in answers: "npu", or "npu (simulated)".

    ``retired`` says why nothing is launched any more, once that is so.
    """

    def __init__(self, device: Device, folders: Folders, name: str = "npu") -> None:
        self.device = name
        self.folders = folders
        self.retired: str | None = None
        self._device = device
        self._residents: dict[str, Resident] = {}
        self._lock = Lock()

    def resident(self, folder: KernelFolder) -> Resident:
        """The overlay of a folder, loaded and tried at the first call.

        Raises FolderRefused, NpuUnavailable, WrongResult, LaunchTimeout, LaunchFailed, DeviceLost.
        """
        with self._lock:
            if self.retired is not None:
                raise NpuUnavailable(self.retired)
            name = folder.manifest.design
            if name not in self._residents:
                self._residents[name] = Resident(self._device.load(folder))
            return self._residents[name]

    @property
    def residents(self) -> tuple[Resident, ...]:
        return tuple(self._residents.values())

    def retire(self, error: NpuError) -> None:
        """Launch nothing more, and give back what the device holds; the first reason stays."""
        with self._lock:
            if self.retired is not None:
                return
            self.retired = error.reason
        log.error("The NPU is retired: %s. The CPU does its work from now on.", error.reason)
        self._let_go()

    def close(self) -> None:
        """Give everything back."""
        self.retired = self.retired or "it was closed"
        self._let_go()

    def _let_go(self) -> None:
        for resident in self.residents:
            resident.close()
        self._device.close()

    def __enter__(self) -> Npu:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_npu(folders: Folders | None = None, *, simulated: bool = False, node: Path = NODE) -> Npu:
    """Open the NPU of this machine, or a simulated one, whose kernel folders are built on demand.

    Raises NpuUnavailable, whose reason and cure say what is missing.
    """
    if simulated:
        from npu.simulated import Machine

        device = Device(Machine().pyxrt, target="host", watchdog_s=SIMULATED_S)
        return Npu(device, folders or Folders(target="host"), "npu (simulated)")
    report = probe(node)
    if report.problems:
        raise NpuUnavailable(report.problems[0].what, report.problems[0].cure)
    return Npu(Device(pyxrt(), report.index), folders or Folders())
