"""A machine with a simulated NPU: the simulated module pyxrt on top of the simulated driver."""

from __future__ import annotations

from functools import cached_property

from npu.simulated.arguments import UNSIGNED, takes
from npu.simulated.driver import Driver
from npu.simulated.loading import HwContext, InfoKey, OpenDevice, XclbinFile
from npu.simulated.memory import Bo, Direction
from npu.simulated.running import Kernel, Run
from npu.xrt.pyxrt_api import Pyxrt


class SimulatedPyxrt:
    """A replacement of the module pyxrt that has the names of ``npu.xrt.pyxrt_api.Pyxrt`` and no others."""

    xclBOSyncDirection = Direction  # noqa: N815  # XRT's name
    xrt_info_device = InfoKey
    xclbin = XclbinFile
    hw_context = HwContext
    kernel = Kernel
    run = Run
    bo = Bo

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @takes(UNSIGNED)
    def device(self, index: int) -> OpenDevice:
        """Open NPU number ``index``. Raises RuntimeError if there is none of this number."""
        return OpenDevice(self._driver, index)


class Machine(Driver):
    """A machine with a simulated NPU: the driver, with the arguments of ``Driver``, and the module ``pyxrt``.

    Example, in which the third context computes garbage::

        machine = Machine(faults=[Garbage(context=2)])
        device = npu.xrt.device.Device(machine.pyxrt, target="host")
    """

    @cached_property
    def pyxrt(self) -> Pyxrt:
        """The simulated module pyxrt, whose devices are those of this machine."""
        return SimulatedPyxrt(self)
