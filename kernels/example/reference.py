"""The results that the example kernel must have: in float64, and by the host-compiled kernel in a plain loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernels.example.design import WIDTH
from kernels.host.buffers import aligned, buffer, pointer
from kernels.host.compile import build
from kernels.host.numerics import Bits16

SOURCE = Path(__file__).with_name("gain.cc")
ERROR = 2.0**-8  # relative, of one result: bf16 has 8 bits of mantissa, and the result is rounded once


def values(bits: Bits16) -> NDArray[np.float64]:
    """Return the float64 values of bf16 bits (uint16), of the same shape."""
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def exact(x: Bits16, gains: Bits16) -> NDArray[np.float64]:
    """Return x [n, 256] times the gains [256], in float64."""
    return values(x) * values(gains)


def by_kernel(x: Bits16, gains: Bits16) -> Bits16:
    """Return x [n, 256] times the gains [256] as bf16 bits, computed by the host-compiled kernel row by row.

    Raises CompileError if the kernel does not compile.
    """
    library = build([SOURCE])
    y = buffer(x.size, np.uint16).reshape(x.shape)
    held, row = aligned(gains), buffer(WIDTH, np.uint16)
    for source, target in zip(x, y, strict=True):
        row[:] = source
        library.gain(pointer(row), pointer(held), pointer(target))
    return y
