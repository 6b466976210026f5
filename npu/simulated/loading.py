"""Simulated classes of pyxrt that load an overlay: device, xclbin, uuid and hw_context."""

from __future__ import annotations

import weakref
from enum import Enum
from pathlib import Path

from kernels.package import xclbin as xclbins
from kernels.package.axlf import FRONT, HEADER, MAGIC, SECTION, XclbinError
from kernels.package.xclbin import Xclbin
from npu.simulated.arguments import takes
from npu.simulated.driver import Driver

SMALLEST = FRONT.size + HEADER.size + SECTION.size

InfoKey = Enum("InfoKey", {"name": 5})  # xrt_info_device, of which only the name is used


class XclbinFile:
    """pyxrt.xclbin: a parsed xclbin file (XRT's container of an overlay). Its errors are those of XRT 2.25."""

    @takes(str)
    def __init__(self, path: str) -> None:
        file = Path(path)
        if not file.is_file():
            raise RuntimeError(f"No such file '{file}'")
        data = file.read_bytes()
        if len(data) < SMALLEST:
            raise RuntimeError("xclbin: buffer too small to contain header")
        try:
            self._content = xclbins.read(data)
        except XclbinError:
            wrong_size = "xclbin: m_length does not match buffer size"
            raise RuntimeError(wrong_size if data.startswith(MAGIC) else "Invalid xclbin") from None


class Uuid:
    """pyxrt.uuid: the identity of an overlay that was registered with a device."""

    def __init__(self, overlay: Xclbin) -> None:
        self._overlay = overlay


class OpenDevice:
    """pyxrt.device: an open device, through which the other simulated classes reach the driver."""

    def __init__(self, driver: Driver, index: int) -> None:
        if index >= driver.devices:
            raise RuntimeError(f" No such device with index '{index}'")
        self._driver = driver

    @takes(XclbinFile)
    def register_xclbin(self, xclbin: XclbinFile) -> Uuid:
        self._driver.call("CREATE_BO")
        return Uuid(xclbin._content)

    @takes(InfoKey)
    def get_info(self, key: InfoKey) -> str:
        self._driver.call("GET_INFO")
        return self._driver.name


class HwContext:
    """pyxrt.hw_context: a loaded overlay. The last reference that goes closes it, and only then is its place free."""

    @takes(OpenDevice, Uuid)
    def __init__(self, device: OpenDevice, uuid: Uuid) -> None:
        self._driver = device._driver
        self._record = self._driver.open_context(uuid._overlay)
        weakref.finalize(self, self._driver.close_context, self._record)
