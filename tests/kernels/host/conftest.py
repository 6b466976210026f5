"""The host's vector library behind plain C functions, built for this machine and for any x86-64, by two compilers."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from kernels.host.buffers import aligned
from kernels.host.compile import NATIVE, build, default_compiler
from kernels.host.lint import compilers, is_clang
from kernels.host.numerics import Rounding, Saturation


class Probes:
    """A build of probes.cc: the host's vector library as C functions. ``modes`` sets the modes of later calls."""

    def __init__(self, march: str, optimise: int, compiler: str) -> None:
        source = Path(__file__).parent / "probes.cc"
        self.library = build([source], march=march, optimise=optimise, compiler=compiler)
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


def other_compiler() -> str:
    """Return a compiler of another make than the default one (g++ or clang); skip the test if there is none."""
    default = default_compiler()
    for name in compilers():
        if is_clang(name) != is_clang(default):
            return name
    package = "g++" if is_clang(default) else "clang"
    pytest.skip(f"numerics are tried with {default} alone: there is no second compiler (Debian: apt install {package})")


BUILDS = {
    "native": (NATIVE, 3, default_compiler),
    "portable": ("x86-64", 1, default_compiler),
    "other": (NATIVE, 3, other_compiler),
}


@pytest.fixture(scope="session", params=BUILDS)
def probes(request: pytest.FixtureRequest) -> Probes:
    march, optimise, compiler = BUILDS[request.param]
    return Probes(march, optimise, compiler())
