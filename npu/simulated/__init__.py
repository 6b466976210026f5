"""A simulated NPU: the part of pyxrt, XRT's Python module, that ``npu`` calls, and the driver and device behind it.

``Machine(...).pyxrt`` takes the place of XRT's Python module, with its errors and traps. The times of its launches are
times of a simulation and say nothing about an NPU. The layers, each importing only from those above it: ``faults`` and
``execution`` (a launch), ``driver`` (the kernel driver), the classes of pyxrt in ``loading``, ``memory`` and
``running``, and ``machine``.
"""

from npu.simulated.machine import Machine

__all__ = ["Machine"]
