"""Memory for kernels that are called from Python: numpy arrays aligned for vector loads, and pointers to them."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 64  # bytes: one 512-bit register


def buffer(elements: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return a new array [elements], aligned to 64 bytes and filled with 0xFF bytes, which are NaN as any float type.

    A kernel that reads an element before it is written therefore gives a conspicuous result.
    """
    wanted = np.dtype(dtype)
    raw = np.full(elements * wanted.itemsize + ALIGNMENT, 0xFF, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + elements * wanted.itemsize].view(wanted)


def aligned(values: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of ``values``, of equal shape and dtype, whose alignment lets a kernel load vectors from it."""
    copy: NDArray[Any] = buffer(values.size, values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    """Return the address of an array's first element, as a kernel function called through ctypes takes it."""
    return ctypes.c_void_p(array.ctypes.data)
