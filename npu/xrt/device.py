"""An open NPU, and the only import of pyxrt, XRT's Python module.

``Device`` takes the module as an argument, so that the module of ``npu.simulated`` can take its place; no other code in
``npu`` depends on which of the two it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast
from weakref import WeakSet

from kernels.package import verify
from kernels.package.manifest import FolderError, Target
from kernels.package.verify import KernelFolder
from npu.errors import FolderRefused, NpuUnavailable
from npu.probe import NPU1_NAMES
from npu.xrt import pyxrt_api
from npu.xrt.overlay import Overlay
from npu.xrt.polling import WATCHDOG_S
from npu.xrt.xrt_errors import XrtCall, while_loading

INSTALL = (
    "install XRT 2.20 or newer (Debian: `apt install -t trixie-backports python3-xrt libxrt-npu2`) and use the Python "
    "version that it was built for"
)
TARGET_NAMES: dict[Target, str] = {"host": "the simulated device", "npu1": "Phoenix and Hawk Point"}


def pyxrt() -> pyxrt_api.Pyxrt:
    """Import and return XRT's Python module.

    Raises NpuUnavailable if it is missing, cannot be loaded by this Python, or is another program's module of this
    name.
    """
    try:
        import pyxrt as module
    except Exception as error:  # noqa: BLE001  # a foreign module may raise anything while it is loaded
        failure = str(error) or type(error).__name__
    else:
        if hasattr(module, "hw_context"):
            return cast("pyxrt_api.Pyxrt", module)
        failure = "it has no hw_context: another program of this name, or an XRT without NPUs"
    raise NpuUnavailable(f"the Python module pyxrt cannot be used ({failure})", INSTALL)


class Device:
    """An open NPU. Open one per process: contexts of several devices gave garbage (mlir-aie#3654).

    ``target`` is the kind of kernel folders that it loads ("npu1", or "host" for the simulated device), ``watchdog_s``
    the time limit of a launch in seconds, and ``name`` the device's name in XRT. ``module`` is pyxrt or its simulation.

    Example::

        device = Device(pyxrt())
        overlay = device.load(Path("kernels/npu1/mel_80"))
    """

    def __init__(
        self, module: pyxrt_api.Pyxrt, index: int = 0, target: Target = "npu1", watchdog_s: float = WATCHDOG_S
    ) -> None:
        """Open NPU number ``index``.

        Raises NpuUnavailable if there is none, or it is of another generation than npu1.
        """
        self.target = target
        self.watchdog_s = watchdog_s
        self.name = ""
        self._module = module
        self._device: pyxrt_api.Device | None = None
        self._overlays: WeakSet[Overlay] = WeakSet()
        with XrtCall() as call:
            self._device = module.device(index)
            self.name = str(self._device.get_info(module.xrt_info_device.name))
        if call.failure is not None:
            self.close()
            raise NpuUnavailable(f"XRT opens no NPU number {index} ({call.failure})", "run `whisperx-npu doctor`")
        if not any(known in self.name for known in NPU1_NAMES):
            self.close()
            raise NpuUnavailable(
                f"{self.name} is another generation than Phoenix and Hawk Point (npu1)", "set npu.mode off"
            )

    def load(self, folder: KernelFolder | Path) -> Overlay:
        """Load a kernel folder's overlay (a configuration of the NPU's cores) into a hardware context of its own.

        Raises FolderRefused, NpuUnavailable, DeviceLost, and ValueError after ``close``.
        """
        if self._device is None:
            raise ValueError("The device is closed.")
        whole = folder if isinstance(folder, KernelFolder) else read(folder)
        if whole.manifest.target != self.target:
            raise FolderRefused(
                f"kernel folder {whole.path.name} is for {TARGET_NAMES[whole.manifest.target]}",
                f"build it for {TARGET_NAMES[self.target]}",
            )
        what = f"overlay {whole.manifest.design}"
        with XrtCall() as call:
            xclbin = self._module.xclbin(str(whole.path / whole.manifest.xclbin.path))
            uuid = self._device.register_xclbin(xclbin)
        if call.failure is not None:
            raise while_loading(what, call.failure)
        overlay = Overlay(self._module, self._device, uuid, whole, self.watchdog_s)
        self._overlays.add(overlay)
        return overlay

    def close(self) -> None:
        """Close every overlay that this device loaded, then the device."""
        for overlay in list(self._overlays):
            overlay.close()
        self._device = None


def read(folder: Path) -> KernelFolder:
    """Read a kernel folder (an overlay's compiled files) and check that its files belong together.

    Raises FolderRefused, which names the wrong file and the cure.
    """
    try:
        return verify.read(folder)
    except FolderError as error:
        raise FolderRefused.of(error) from None
