"""BOs: memory that the host and the device see apart, until a sync.

The device's side begins with other bytes than the host's zeros, so that a sync that was forgotten shows as wrong data
always, where on the chip it shows sometimes.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from npu.simulated.machine import Machine

NEVER_SYNCED, FREED = 0xA5, 0xDD
HOST, SRAM = 0, 1  # places in MEM_TOPOLOGY
HEAP = 0x4000000
Bytes = NDArray[np.uint8]


class Memory:
    """One allocation: its two sides. When it goes, the host's side is overwritten: nothing may look at it any more."""

    def __init__(self, machine: Machine, nbytes: int, *, heap: bool) -> None:
        self.address = machine.allocate(nbytes, heap=heap)
        self.host: Bytes = np.zeros(nbytes, np.uint8)
        self.device: Bytes = np.full(nbytes, NEVER_SYNCED, np.uint8)
        weakref.finalize(self, machine.free, self.host, heap=heap)


class Bo:
    """pyxrt.bo: a range of a Memory."""

    machine: ClassVar[Machine]

    def _new(self, device: Any, nbytes: int, flags: Any, group: int) -> None:
        self._of(device, nbytes, int(flags), int(group))

    def _in_context(self, context: Any, nbytes: int, *rest: Any) -> None:
        flags = int(rest[0]) if len(rest) > 1 else 0
        self._context = context  # a BO of a context keeps it alive
        self._of(context._device, nbytes, flags, int(rest[-1]))

    def _external(self, owner: Any, nbytes: int, *_: object) -> None:
        flags = int(self.machine.pyxrt.bo.host_only)
        if isinstance(owner, self.machine.pyxrt.device):
            self._of(owner, nbytes, flags, HOST)
        else:
            self._in_context(owner, nbytes, flags, HOST)

    def _of(self, device: Any, nbytes: int, flags: int, group: int) -> None:
        device._check()
        self._device = device
        self._memory, self._start, self._size = self._allocate(int(nbytes), flags, group), 0, int(nbytes)
        self.cached = flags == int(self.machine.pyxrt.bo.cacheable)

    def _allocate(self, nbytes: int, flags: int, group: int) -> Memory:
        self.machine.call("CREATE_BO")
        named = self.machine.pyxrt.bo
        if flags in (int(named.device_only), int(named.p2p), int(named.svm)):
            raise RuntimeError("DRM_IOCTL_AMDXDNA_CREATE_BO IOCTL failed (err=-95): Operation not supported")
        if not nbytes or group & 0xFFFF not in (HOST, SRAM):
            raise RuntimeError("DRM_IOCTL_AMDXDNA_CREATE_BO IOCTL failed (err=-22): Invalid argument")
        return Memory(self.machine, nbytes, heap=flags == int(named.cacheable))

    def _part(self, parent: Bo, size: int, offset: int) -> None:
        if offset + size > parent._size:
            raise RuntimeError("sub buffer size and offset: Invalid argument")
        self._device = parent._device
        self._memory, self._start, self._size = parent._memory, parent._start + int(offset), int(size)
        self.cached = parent.cached

    def _write(self, data: Any, seek: int) -> None:
        content = _bytes(data)
        self._side("host", len(content), seek, "write")[:] = np.frombuffer(content, np.uint8)

    def _read(self, size: int, skip: int) -> NDArray[np.int8]:
        return self._side("host", size, skip, "read").copy().view(np.int8)

    def _sync(self, direction: Any, size: int | None = None, offset: int = 0) -> None:
        self.machine.call("SYNC_BO")
        if int(direction) > 1:
            raise RuntimeError("No such sync direction on this device: Invalid argument")
        nbytes = self._size if size is None else size
        host, device = self._side("host", nbytes, offset, "sync"), self._side("device", nbytes, offset, "sync")
        if int(direction) == 0:
            device[:] = host
        else:
            host[:] = device

    def _map(self) -> memoryview:
        return self._side("host", self._size, 0, "map").data

    def _get_size(self) -> int:
        return self._size

    def _address(self) -> int:
        return self._memory.address + self._start

    def _on_device(self) -> Bytes:
        """What a launch gets. What it writes to a cacheable BO is never seen again."""
        side = self._side("device", self._size, 0, "use")
        return side.copy() if self.cached else side

    def _side(self, side: str, size: int, offset: int, what: str) -> Bytes:
        if offset + size > self._size:
            raise RuntimeError(f"attempting to {what} past buffer size: Invalid argument")
        whole: Bytes = getattr(self._memory, side)
        return whole[self._start + offset : self._start + offset + size]


def _bytes(data: Any) -> bytes:
    """What pybind11 copies: items times their size from the first one on, whatever the strides are."""
    array = np.asarray(memoryview(data))
    if array.flags.c_contiguous or any(stride < 0 for stride in array.strides):
        return array.tobytes()
    return ctypes.string_at(array.ctypes.data, array.nbytes)
