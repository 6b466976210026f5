"""A machine with an NPU that is simulated, and the pyxrt that XRT would have on it.

``Machine(...).pyxrt`` takes the place of the module: its names, forms, errors and traps, version by version. Nothing
that it measures is a time of an NPU.
"""

from npu.simulated.machine import Machine

__all__ = ["Machine"]
