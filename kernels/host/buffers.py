"""Memory for kernels called from Python: numpy arrays aligned for vector loads, and pointers to them."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 64  # bytes: one 512-bit register


def buffer(elements: int, dtype: DTypeLike) -> NDArray[Any]:
    """Return an aligned array [elements] filled with 0xFF bytes, which are NaN as any float type.

    A kernel that reads an element before it is written therefore gives a conspicuous result.
    """
    wanted = np.dtype(dtype)
    raw = np.full(elements * wanted.itemsize + ALIGNMENT, 0xFF, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + elements * wanted.itemsize].view(wanted)


def aligned(values: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of ``values``, of the same shape and dtype, that a kernel can load vectors from."""
    copy: NDArray[Any] = buffer(values.size, values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    """Return the pointer that a kernel function takes for an array."""
    return ctypes.c_void_p(array.ctypes.data)
