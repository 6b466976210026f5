"""One of each object of pyxrt, made by the forms of every version."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from kernels.package.verify import KernelFolder


class Objects:
    """What a kernel folder is launched with."""

    def __init__(self, module: Any, folder: KernelFolder) -> None:
        self.folder = folder
        self.path = str(folder.path / "kernel.xclbin")
        self.path_bytes = self.path.encode()
        self.device = module.device(0)
        self.xclbin = module.xclbin(self.path)
        self.uuid = self.device.register_xclbin(self.xclbin)
        self.uuid_text = self.uuid.to_string()
        self.context = module.hw_context(self.device, self.uuid)
        self.kernel = module.kernel(self.context, "MLIR_AIE")
        self.run = module.run(self.kernel)
        self.runlist = module.runlist(self.context)
        self.host_only = module.bo.host_only
        self.group = self.kernel.group_id(3)
        self.bo = module.bo(self.device, 64, module.bo.host_only, self.group)
        self.name_key = module.xrt_info_device.name
        self.to_device = module.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
        self.from_device = module.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE
        self.state = module.ert_cmd_state.ERT_CMD_STATE_COMPLETED
        self.second = dt.timedelta(seconds=1)
        self.array = np.arange(4, dtype=np.int32)
        self.module = module

    def named(self, argument: object) -> object:
        return getattr(self, argument[1:]) if isinstance(argument, str) and argument.startswith("$") else argument

    def launchable(self) -> tuple[Any, list[Any]]:
        """A run with everything set as the folder's self-test wants it, and its buffers."""
        stream = self.folder.streams["run"]
        memory = self.module.bo(self.device, len(stream), self.module.bo.cacheable, self.kernel.group_id(1))
        memory.write(stream, 0)
        memory.sync(self.to_device)
        buffers = []
        for number, data in enumerate(self.folder.inputs()):
            group = self.kernel.group_id(3 + number)
            buffers.append(self.module.bo(self.device, len(data), self.module.bo.host_only, group))
            buffers[-1].write(data, 0)
            buffers[-1].sync(self.to_device)
        run = self.module.run(self.kernel)
        for number, value in enumerate((3, memory, len(stream) // 4, *buffers)):
            run.set_arg(number, value)
        return run, buffers
