"""The host's vector library behind plain C functions, built twice: for this machine and for any x86-64."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from kernels.host.buffers import aligned
from kernels.host.compile import build
from kernels.host.numerics import Rounding, Saturation


class Probes:
    """The functions of probes.cc; modes are set before each call."""

    def __init__(self, march: str, optimise: int) -> None:
        self.library = build([Path(__file__).parent / "probes.cc"], march=march, optimise=optimise)
        self.modes(Rounding.FLOOR, Saturation.NONE)

    def modes(self, rounding: Rounding, saturation: Saturation = Saturation.NONE) -> None:
        self.library.set_modes(int(rounding), int(saturation))

    def __call__(
        self, name: str, inputs: list[NDArray[Any]], *outputs: NDArray[Any], integers: tuple[int, ...] = ()
    ) -> Any:
        """Call ``name`` with copies of all arrays, then the integers; return the output, or all of them."""
        buffers = [aligned(array) for array in (*inputs, *outputs)]
        pointers = [ctypes.c_void_p(buffer.ctypes.data) for buffer in buffers]
        getattr(self.library, name)(*pointers, *(ctypes.c_int32(value) for value in integers))
        results = buffers[len(inputs) :]
        return results[0] if len(results) == 1 else results


@pytest.fixture(scope="session", params=[("native", 3), ("x86-64", 1)], ids=["native", "portable"])
def probes(request: pytest.FixtureRequest) -> Probes:
    return Probes(*request.param)
