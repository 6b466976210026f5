"""The door to the NPU, and the one file that imports pyxrt.

The module is handed in, so that ``npu.simulated`` can take its place; nothing behind this door can tell which it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from weakref import WeakSet

from kernels.package import verify
from kernels.package.manifest import FolderError, Target
from kernels.package.verify import KernelFolder
from npu.errors import FolderRefused, NpuUnavailable
from npu.probe import NPU1_NAMES
from npu.xrt import pyxrt_api as portable
from npu.xrt.overlay import Overlay
from npu.xrt.polling import WATCHDOG_S
from npu.xrt.xrt_errors import attempt, while_loading

INSTALL = (
    "install XRT 2.20 or newer (Debian: `apt install -t trixie-backports python3-xrt libxrt-npu2`) and use the Python "
    "version that it was built for"
)


def pyxrt() -> portable.Pyxrt:
    """XRT's Python module. Raises NpuUnavailable where it is missing, for another Python, or another program's."""
    try:
        import pyxrt as module
    except Exception as error:  # noqa: BLE001  # whatever a foreign module raises while it is loaded
        failure = str(error) or type(error).__name__
    else:
        if hasattr(module, "hw_context"):
            return cast("portable.Pyxrt", module)
        failure = "it has no hw_context: another program of this name, or an XRT without NPUs"
    raise NpuUnavailable(f"the Python module pyxrt cannot be used ({failure})", INSTALL)


class Device:
    """An open NPU. Open one per process: contexts of several devices gave garbage (mlir-aie#3654).

    ``target`` is the kind of kernel folders that it takes, ``watchdog_s`` the longest that a launch may take.
    """

    def __init__(
        self, module: portable.Pyxrt, index: int = 0, target: Target = "npu1", watchdog_s: float = WATCHDOG_S
    ) -> None:
        """Raises NpuUnavailable where there is no such device, or it is of another generation."""
        self.target = target
        self.watchdog_s = watchdog_s
        self._module = module
        self._device: Any = None
        self._overlays: WeakSet[Overlay] = WeakSet()
        self._device, failure = attempt(lambda: module.device(index))
        name, failed = (None, failure) if failure else attempt(lambda: self._get_name())
        if name is None:
            self._device = None
            raise NpuUnavailable(f"XRT opens no NPU number {index} ({failed})", "run `whisperx-npu doctor`")
        self.name: str = name
        if not any(known in name for known in NPU1_NAMES):
            self._device = None
            raise NpuUnavailable(f"{name} is another generation than Phoenix and Hawk Point (npu1)", "set npu.mode off")

    def load(self, folder: KernelFolder | Path) -> Overlay:
        """Open a context with the folder's overlay. Raises FolderRefused, NpuUnavailable, DeviceLost."""
        if self._device is None:
            raise ValueError("The device is closed.")
        whole = folder if isinstance(folder, KernelFolder) else read(folder)
        if whole.manifest.target != self.target:
            raise FolderRefused(
                f"kernel folder {whole.path.name} is for {_MEANING[whole.manifest.target]}",
                f"build it for {_MEANING[self.target]}",
            )
        what = f"overlay {whole.manifest.design}"
        uuid, failure = attempt(lambda: self._registered(whole.path / whole.manifest.xclbin.path))
        if failure is not None:
            raise while_loading(what, failure)
        overlay = Overlay(self._module, self._device, uuid, whole, self.watchdog_s)
        self._overlays.add(overlay)
        return overlay

    def close(self) -> None:
        """Close every overlay, then the device."""
        for overlay in list(self._overlays):
            overlay.close()
        self._device = None

    def _get_name(self) -> str:
        return str(self._device.get_info(self._module.xrt_info_device.name))

    def _registered(self, path: Path) -> Any:
        return self._device.register_xclbin(self._module.xclbin(str(path)))


_MEANING: dict[Target, str] = {"host": "the simulated device", "npu1": "Phoenix and Hawk Point"}


def read(folder: Path) -> KernelFolder:
    """A kernel folder, every part held against the others. Raises FolderRefused, which names the part and the cure."""
    try:
        return verify.read(folder)
    except FolderError as error:
        raise FolderRefused.of(error) from None
