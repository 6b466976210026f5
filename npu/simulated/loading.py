"""Devices, xclbins and hardware contexts."""

from __future__ import annotations

import os
import warnings
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kernels.package import xclbin as xclbins
from kernels.package.axlf import FRONT, HEADER, MAGIC, SECTION, XclbinError, unpack
from kernels.package.xclbin import ARGUMENTS, MEMORIES, MEMORY_BASE, Xclbin
from npu.simulated.overloads import CRASH

if TYPE_CHECKING:
    from npu.simulated.launches import Context
    from npu.simulated.machine import Machine

SMALLEST = FRONT.size + HEADER.size + SECTION.size
NOT_ITS_SIZE = "xclbin: m_length does not match buffer size"


class Uuid:
    """pyxrt.uuid"""

    machine: ClassVar[Machine]

    def _of(self, text: str) -> None:
        self._text = text

    def _string(self) -> str:
        return self._text


class Named:
    """pyxrt.xclbin.xclbinkernel, xclbinip and xclbinmem: facts with getters."""

    facts: dict[str, Any]

    def _empty(self) -> None:
        self.facts = {}


class XclbinFile:
    """pyxrt.xclbin: a file that was parsed; needs no device."""

    machine: ClassVar[Machine]
    _read: Xclbin | None

    def _empty(self) -> None:
        self._read, self._platform = None, ""

    def _open(self, path: str | bytes) -> None:
        file = Path(os.fsdecode(path))
        if not file.is_file():
            raise RuntimeError(f"No such file '{file}'")
        data = file.read_bytes()
        if self.machine.version == "2.25" and len(data) < SMALLEST:
            raise RuntimeError("xclbin: buffer too small to contain header")
        try:
            self._platform = unpack(data).platform
            self._read = xclbins.read(data)
        except XclbinError:
            same_size = not data.startswith(MAGIC) or self.machine.version != "2.25"
            raise RuntimeError("Invalid xclbin" if same_size else NOT_ITS_SIZE) from None

    @property
    def _content(self) -> Xclbin:
        if self._read is None:
            raise RuntimeError("Invalid xclbin: No such xclbin object")
        return self._read

    def _kernels(self) -> list[Any]:
        return [self._fact("xclbinkernel", name=self._content.kernel, num_args=len(ARGUMENTS))]

    def _mems(self) -> list[Any]:
        return [
            self._fact("xclbinmem", tag=tag, base_address=MEMORY_BASE, size_kb=size, used=True, index=index)
            for index, (tag, size) in enumerate(MEMORIES)
        ]

    def _fact(self, kind: str, **facts: Any) -> Any:
        made = getattr(self.machine.pyxrt.xclbin, kind)()
        made.facts = facts
        return made

    def _uuid(self) -> Any:
        return self.machine.pyxrt.uuid(str(self._content.uuid))

    def _xsa_name(self) -> str:
        return self._platform

    def _axlf(self) -> object:
        return self._content


class OpenDevice:
    """pyxrt.device"""

    machine: ClassVar[Machine]

    def _empty(self) -> None:
        self._registered: dict[str, Xclbin] = {}
        self._opened = False

    def _by_index(self, index: int) -> None:
        self._empty()
        if index >= self.machine.devices:
            raise RuntimeError(f" No such device with index '{index}'")
        self._opened = True

    def _by_bdf(self, bdf: str | bytes) -> None:
        self._empty()
        bdf = os.fsdecode(bdf)
        if not self.machine.devices or bdf != self.machine.BDF:
            raise RuntimeError(f"No such device '{bdf}': Invalid argument")
        self._opened = True

    def _register(self, xclbin: Any) -> Any:
        self._check()
        self.machine.call("CREATE_BO")
        self._registered[xclbin.get_uuid().to_string()] = xclbin.get_axlf()
        return xclbin.get_uuid()

    def _load(self, _: object) -> Any:
        if self.machine.version in ("2.23", "2.25"):
            warnings.warn("load_xclbin is deprecated, use register_xclbin", DeprecationWarning, stacklevel=3)
        raise RuntimeError("load_axlf: Operation not supported")

    def _xclbin_uuid(self) -> Any:
        raise RuntimeError("No xclbin is loaded on the device: Invalid argument")

    def _info(self, key: Any) -> str:
        self._check()
        self.machine.call("GET_INFO")
        kind = self.machine.pyxrt.xrt_info_device
        return self.machine.name if key == kind.name else self.machine.BDF if key == kind.bdf else "0"

    def _check(self) -> None:
        if not self._opened:
            raise RuntimeError(CRASH.format(what="a device() that is none"))

    def _overlay(self, uuid: Any) -> Xclbin:
        self._check()
        found = self._registered.get(uuid.to_string())
        if found is None:
            raise RuntimeError(f"No xclbin with uuid '{uuid.to_string()}' is registered: Invalid argument")
        return found


class HwContext:
    """pyxrt.hw_context: goes with the last object that refers to it, and only then makes room for another one."""

    machine: ClassVar[Machine]
    _core: Context | None

    def _empty(self) -> None:
        self._core = None

    def _open(self, device: Any, uuid: Any, *_: object) -> None:
        core = self._core = self.machine.open_context(device._overlay(uuid))
        self._device, self._uuid = device, uuid
        weakref.finalize(self, self.machine.close_context, core)

    def _open_xclbin(self, device: Any, xclbin: Any, *_: object) -> None:
        file = self.machine.pyxrt.xclbin(xclbin) if isinstance(xclbin, str) else xclbin
        self._open(device, device.register_xclbin(file))

    def _elf(self, *_: object) -> None:
        raise RuntimeError("DRM_IOCTL_AMDXDNA_CREATE_HWCTX IOCTL failed (err=-95): Operation not supported")

    def _get_device(self) -> Any:
        return self._device

    def _get_uuid(self) -> Any:
        return self._uuid

    def _get_xclbin(self) -> Any:
        raise RuntimeError("not simulated")

    def _get_mode(self) -> Any:
        return self.machine.pyxrt.hw_context.access_mode.shared
