"""One object of each class of pyxrt that ``npu`` uses, made as ``npu`` makes them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from kernels.package.verify import KernelFolder
from npu.xrt.polling import poll


class Objects:
    """The objects with which a kernel folder is launched, on one device with one context."""

    def __init__(self, module: Any, folder: KernelFolder) -> None:
        self.folder = folder
        self.path = str(folder.path / "kernel.xclbin")
        self.device = module.device(0)
        self.xclbin = module.xclbin(self.path)
        self.uuid = self.device.register_xclbin(self.xclbin)
        self.context = module.hw_context(self.device, self.uuid)
        self.kernel = module.kernel(self.context, "MLIR_AIE")
        self.run = module.run(self.kernel)
        self.host_only = module.bo.host_only
        self.group = self.kernel.group_id(3)
        self.bo = module.bo(self.device, 64, module.bo.host_only, self.group)
        self.name_key = module.xrt_info_device.name
        self.to_device = module.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
        self.from_device = module.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE
        self.array = np.arange(4, dtype=np.int32)
        self.module = module

    def named(self, argument: object) -> object:
        """Return the object that a text such as "$device" names, and any other argument as it is."""
        return getattr(self, argument[1:]) if isinstance(argument, str) and argument.startswith("$") else argument

    def buffer(self, nbytes: int, argument: int, *, cacheable: bool = False) -> Any:
        """Allocate a buffer object (bo) for a launch argument."""
        bo = self.module.bo
        return bo(self.device, nbytes, bo.cacheable if cacheable else bo.host_only, self.kernel.group_id(argument))

    def launchable(self) -> tuple[Any, list[Any]]:
        """Return a run with the arguments of the folder's self-test set, and its buffers."""
        stream = self.folder.streams["run"]
        memory = self.buffer(len(stream), 1, cacheable=True)
        memory.write(stream, 0)
        memory.sync(self.to_device, len(stream), 0)
        buffers = []
        for number, data in enumerate(self.folder.inputs()):
            buffers.append(self.buffer(len(data), 3 + number))
            buffers[-1].write(data, 0)
            buffers[-1].sync(self.to_device, len(data), 0)
        run = self.module.run(self.kernel)
        for number, value in enumerate((3, memory, len(stream) // 4, *buffers)):
            run.set_arg(number, value)
        return run, buffers


def finish(run: Any, seconds: float = 60.0) -> int:
    """Wait until a run ends or ``seconds`` have passed, and return its state."""
    return poll(run.state, time.monotonic() + seconds)
