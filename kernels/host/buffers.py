"""Memory for kernels called from Python: numpy arrays that begin where a vector load may, and pointers to them."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 64  # bytes: one 512-bit register


def buffer(elements: int, dtype: DTypeLike) -> NDArray[Any]:
    """An array whose memory holds 0xFF in every byte, which is NaN as any float: what is read unwritten shows."""
    wanted = np.dtype(dtype)
    raw = np.full(elements * wanted.itemsize + ALIGNMENT, 0xFF, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + elements * wanted.itemsize].view(wanted)


def aligned(values: NDArray[Any]) -> NDArray[Any]:
    """A copy that a kernel can load from."""
    copy: NDArray[Any] = buffer(values.size, values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
