"""A kernel folder of the small design, and a machine whose simulated NPU runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kernels.package.folder import build
from kernels.package.verify import KernelFolder, read
from npu.kernel_folders import Folders
from npu.runtime.npu import Npu
from npu.runtime.resident import Resident
from npu.simulated import Machine
from npu.xrt import device as xrt
from npu.xrt.buffer import Buffer
from npu.xrt.overlay import Overlay
from npu.xrt.program import Program
from tests.kernels.array.scale import design, trial
from tests.npu.objects import Objects

DESIGNS = {"scale": design}


@pytest.fixture(scope="session")
def scale(tmp_path_factory: pytest.TempPathFactory) -> KernelFolder:
    """The kernel folder of the small design ``scale``. It is shared by all tests: do not write to it."""
    out = tmp_path_factory.mktemp("npu-kernels") / "scale"
    build(design(), trial(), out)
    return read(out)


@pytest.fixture
def machine() -> Machine:
    return Machine(designs=DESIGNS, tdr_s=0.05)


@pytest.fixture
def objects(machine: Machine, scale: KernelFolder) -> Objects:
    return Objects(machine.pyxrt, scale)


OpenFn = Callable[..., xrt.Device]


@pytest.fixture
def open_device() -> Iterator[OpenFn]:
    """A function that opens a device as the runtime does, with a short watchdog; closed after the test."""
    devices: list[xrt.Device] = []

    def open_(machine: Machine, watchdog_s: float = 5.0) -> xrt.Device:
        devices.append(xrt.Device(machine.pyxrt, target="host", watchdog_s=watchdog_s))
        return devices[-1]

    yield open_
    for device in devices:
        device.close()


@dataclass
class ReadyOverlay:
    """A loaded overlay with the program and the buffers of its self-test, ready to launch."""

    overlay: Overlay
    program: Program
    buffers: tuple[Buffer, ...]

    @staticmethod
    def of(overlay: Overlay) -> ReadyOverlay:
        inputs = overlay.folder.inputs()
        ready = ReadyOverlay(overlay, overlay.program("run"), tuple(overlay.buffer(len(data)) for data in inputs))
        ready.fill()
        return ready

    def fill(self) -> None:
        for buffer, data in zip(self.buffers, self.overlay.folder.inputs(), strict=True):
            buffer.view()[:] = np.frombuffer(data, np.uint8)
            buffer.to_device()

    def launch(self) -> float:
        return self.overlay.launch(self.program, self.buffers)

    def is_right(self) -> bool:
        """Return True if the results in the buffers are those that the kernel folder expects."""
        for buffer in self.buffers:
            buffer.from_device()
        expected = self.overlay.folder.expected()
        return all(buffer.view().tobytes() == data for buffer, data in zip(self.buffers, expected, strict=True))


@pytest.fixture
def damaged(scale: KernelFolder, tmp_path: Path) -> Path:
    """A copy of the kernel folder ``scale``, for a test to damage."""
    import shutil

    return Path(shutil.copytree(scale.path, tmp_path / "scale"))


WATCHDOG_S = 0.5


@pytest.fixture
def npu(machine: Machine, tmp_path: Path) -> Iterator[Npu]:
    """The NPU of the simulated machine, with a short watchdog."""
    device = xrt.Device(machine.pyxrt, target="host", watchdog_s=WATCHDOG_S)
    with Npu(device, Folders(tmp_path, "host", tmp_path)) as opened:
        yield opened


@pytest.fixture
def resident(npu: Npu, scale: KernelFolder) -> Resident:
    """The small design ``scale``, loaded on the simulated NPU."""
    return npu.resident(scale)
