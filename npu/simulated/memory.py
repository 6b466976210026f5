"""pyxrt.bo: memory with a host copy and a device copy, which differ until a sync."""

from __future__ import annotations

import weakref
from enum import Enum

import numpy as np

from npu.simulated.arguments import SIZE, UNSIGNED, takes
from npu.simulated.execution import Bytes
from npu.simulated.loading import OpenDevice

NEVER_SYNCED = 0xA5
HOST, SRAM = 0, 1  # places in MEM_TOPOLOGY


class Direction(Enum):
    """pyxrt.xclBOSyncDirection, without the directions of other devices than NPUs."""

    XCL_BO_SYNC_BO_TO_DEVICE = 0
    XCL_BO_SYNC_BO_FROM_DEVICE = 1


class Flags(Enum):
    """pyxrt.bo.flags, without the flags that ``npu`` does not use or an NPU does not have."""

    cacheable = 0x1000000
    host_only = 0x20000000


class Bo:
    """pyxrt.bo: one buffer object, with separate host and device copies of its memory.

    The device's copy begins with other bytes than the host's zeros: a sync that was forgotten always shows as wrong
    data here, where on the chip it shows sometimes. The host's copy is overwritten when the BO is freed, because its
    ``map`` must not be used any more.
    """

    cacheable = Flags.cacheable
    host_only = Flags.host_only

    @takes(OpenDevice, SIZE, Flags, UNSIGNED)
    def __init__(self, device: OpenDevice, nbytes: int, flags: Flags, group: int) -> None:
        self._driver = device._driver
        self._driver.call("CREATE_BO")
        if not nbytes or group & 0xFFFF not in (HOST, SRAM):
            raise RuntimeError("DRM_IOCTL_AMDXDNA_CREATE_BO IOCTL failed (err=-22): Invalid argument")
        self._cached = flags is Flags.cacheable
        self._driver.allocate(nbytes, heap=self._cached)
        self._host: Bytes = np.zeros(nbytes, np.uint8)
        self._device: Bytes = np.full(nbytes, NEVER_SYNCED, np.uint8)
        weakref.finalize(self, self._driver.free, self._host, heap=self._cached)

    @takes(bytes, SIZE)
    def write(self, data: bytes, seek: int) -> None:
        self._range(len(data), seek, "write")
        self._host[seek : seek + len(data)] = np.frombuffer(data, np.uint8)

    @takes(Direction, SIZE, SIZE)
    def sync(self, direction: Direction, size: int, offset: int) -> None:
        self._driver.call("SYNC_BO")
        part = self._range(size, offset, "sync")
        if direction is Direction.XCL_BO_SYNC_BO_TO_DEVICE:
            self._device[part] = self._host[part]
        else:
            self._host[part] = self._device[part]

    @takes()
    def map(self) -> memoryview:
        return self._host.data

    def _on_device(self) -> Bytes:
        """Return the memory that a launch reads and writes; for a cacheable BO a copy, so that its writes are lost."""
        return self._device.copy() if self._cached else self._device

    def _range(self, size: int, offset: int, what: str) -> slice:
        if offset + size > self._host.size:
            raise RuntimeError(f"attempting to {what} past buffer size: Invalid argument")
        return slice(offset, offset + size)
