"""The part of pyxrt that works the same on XRT 2.20 to 2.25, which is all of it that ``npu`` uses.

The protocols have the names of pyxrt's classes on purpose, and so have namesakes. ``npu.simulated`` implements them, as
Bo, Kernel, Run, OpenDevice and XclbinFile. Two classes of this project are other things: ``npu.xrt.device.Device`` owns
a ``pyxrt_api.Device``, and ``kernels.package.xclbin.Xclbin`` is the content of a file, which this project reads itself.
To keep them apart, import this module by its name instead of single protocols.

Source: src/python/pybind11/src/pyxrt.cpp of Xilinx/XRT at the tags 202520.2.20.197, 202610.2.21.21, 202610.2.23.244 and
on the branch XRT-2.25; 2.25 was also tried without an NPU. Arguments are positional everywhere: before 2.23 they have
no names. Left out on purpose:

- ``kernel(*args)``: swallows every error of an argument and starts without it;
- ``run.wait``, ``wait2``, ``runlist.wait``: hold the GIL until the launch ends, and the process stands still;
- ``wait2(timeout)``, ``runlist.wait(timeout)``: TypeError in every version, whatever pyxrt.pyi says;
- ``hw_context(device, uuid, mode)`` and similar constructors: from 2.23 on only;
- objects without content, such as ``pyxrt.run()``: their methods end the process (SIGSEGV).
"""

from __future__ import annotations

from typing import Any, Protocol, SupportsInt


class Bo(Protocol):
    """A buffer object of XRT: memory shared by host and device.

    The memoryview of ``map`` does not keep it alive; ``sync`` takes direction, size and offset, in bytes.
    """

    def map(self) -> memoryview: ...
    def sync(self, direction: Any, size: int, offset: int, /) -> None: ...
    def write(self, data: bytes, seek: int, /) -> None: ...


class Kernel(Protocol):
    """A kernel of a hardware context; the object keeps the context alive."""

    def group_id(self, argument: int, /) -> int: ...


class Run(Protocol):
    """A launcher of a kernel, for one execution at a time; it keeps the kernel and so the hardware context alive.

    ``set_arg`` takes a C int or a buffer object.
    """

    def set_arg(self, number: int, value: Any, /) -> None: ...
    def start(self) -> None: ...
    def state(self) -> SupportsInt: ...


class Xclbin(Protocol):
    """A parsed xclbin file (XRT's container of an overlay); it needs no device."""


class Device(Protocol):
    """An open device, on which an xclbin is registered before a hardware context can be opened for it."""

    def register_xclbin(self, xclbin: Any, /) -> Any: ...
    def get_info(self, key: Any, /) -> str: ...


class Pyxrt(Protocol):
    """The module ``pyxrt`` itself.

    ``bo`` is the class of buffer objects, with the flags ``host_only`` and ``cacheable``.
    """

    @property
    def xclBOSyncDirection(self) -> Any: ...  # noqa: N802  # XRT's name
    @property
    def xrt_info_device(self) -> Any: ...

    def device(self, index: int, /) -> Device: ...
    def xclbin(self, path: str, /) -> Xclbin: ...
    def hw_context(self, device: Any, uuid: Any, /) -> Any: ...
    def kernel(self, context: Any, name: str, /) -> Kernel: ...
    def run(self, kernel: Any, /) -> Run: ...
    @property
    def bo(self) -> Any: ...
