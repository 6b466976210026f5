"""Memory that the host and the NPU share: allocated once, accessed as numpy arrays, synchronised by byte ranges.

A BO (buffer object of XRT) has one memory and two views of it: the host's cache and the device's. After a sync one side
sees the other side's writes. A sync is a cache operation on a range, not a copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from npu.xrt import pyxrt_api
from npu.xrt.xrt_errors import XrtCall, while_syncing


class Buffer:
    """A buffer of ``nbytes`` bytes that launches read and write, filled with zeros at first.

    Made by ``Overlay.buffer``. Arrays from ``view`` stay valid even after ``close``: they keep the BO alive, which
    pyxrt's own mapping does not. The host must not write to a range while a launch that reads it is running.
    """

    def __init__(self, bo: pyxrt_api.Bo, directions: Any, nbytes: int) -> None:
        self.nbytes = nbytes
        self._bo: pyxrt_api.Bo | None = bo
        self._to_device = directions.XCL_BO_SYNC_BO_TO_DEVICE
        self._from_device = directions.XCL_BO_SYNC_BO_FROM_DEVICE
        self._bytes = np.asarray(_Mapping(bo, nbytes))
        self._bytes[:] = 0
        bo.sync(self._to_device, nbytes, 0)

    @property
    def bo(self) -> pyxrt_api.Bo:
        """XRT's buffer object, to pass as a launch argument. Raises ValueError after ``close``."""
        if self._bo is None:
            raise ValueError("The buffer is closed.")
        return self._bo

    def view(self, dtype: DTypeLike = np.uint8, offset: int = 0, elements: int | None = None) -> NDArray[Any]:
        """Return a flat, writable array on the buffer's memory: ``elements`` of ``dtype`` from byte ``offset`` on.

        By default the array reaches to the end of the buffer. Raises ValueError outside the buffer, and after
        ``close``.
        """
        if self._bo is None:
            raise ValueError("The buffer is closed.")
        item = np.dtype(dtype).itemsize
        count = (self.nbytes - offset) // item if elements is None else elements
        if offset < 0 or count < 0 or offset + count * item > self.nbytes:
            raise ValueError(f"{count} elements of {np.dtype(dtype)} from byte {offset} of a buffer of {self.nbytes}.")
        return self._bytes[offset : offset + count * item].view(dtype)

    def to_device(self, offset: int = 0, nbytes: int | None = None) -> None:
        """Make the host's writes to ``nbytes`` bytes from ``offset`` on visible to the device; default: to the end.

        Raises ValueError outside the buffer, and after ``close``; DeviceLost, LaunchFailed.
        """
        self._sync(self._to_device, offset, nbytes)

    def from_device(self, offset: int = 0, nbytes: int | None = None) -> None:
        """Make the device's writes to ``nbytes`` bytes from ``offset`` on visible to the host; default: to the end.

        Raises ValueError outside the buffer, and after ``close``; DeviceLost, LaunchFailed.
        """
        self._sync(self._from_device, offset, nbytes)

    def close(self) -> None:
        """Release this object's hold on the memory, which is freed once no array from ``view`` is left."""
        self._bo = None
        self._bytes = np.empty(0, np.uint8)

    def _sync(self, direction: Any, offset: int, nbytes: int | None) -> None:
        with XrtCall() as call:
            self.bo.sync(direction, *self._range(offset, nbytes))
        if call.failure is not None:
            raise while_syncing(call.failure)

    def _range(self, offset: int, nbytes: int | None) -> tuple[int, int]:
        """Check a byte range and return (size, offset), the order of pyxrt's arguments.

        Raises ValueError outside the buffer.
        """
        size = self.nbytes - offset if nbytes is None else nbytes
        if offset < 0 or size < 0 or offset + size > self.nbytes:
            raise ValueError(f"Bytes {offset} to {offset + size} of a buffer of {self.nbytes}.")
        return size, offset


class _Mapping:
    """The host memory of a BO as an object for ``np.asarray``; every array made from it keeps the BO alive."""

    def __init__(self, bo: pyxrt_api.Bo, nbytes: int) -> None:
        self._bo = bo
        self._memory = np.frombuffer(bo.map(), np.uint8, nbytes)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self._memory.__array_interface__
