"""Memory that the host and the NPU share: allocated once, seen as numpy arrays, synced by ranges.

A BO has one memory and two views of it: the host's cache and the device's. What one side wrote, the other sees after a
sync; a sync is a cache operation of the range, not a copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from npu.xrt import pyxrt_api as portable
from npu.xrt.xrt_errors import attempt, while_syncing


class Buffer:
    """``nbytes`` bytes for launches, zeros on both sides at first. Made by ``Overlay.buffer``.

    Views stay valid as long as somebody holds them, even after ``close``: they keep the BO, which its mapping in pyxrt
    does not. A launch may not be running while the host writes what the launch reads.
    """

    def __init__(self, bo: portable.Bo, directions: Any, nbytes: int) -> None:
        self.nbytes = nbytes
        self._bo: portable.Bo | None = bo
        self._to_device = directions.XCL_BO_SYNC_BO_TO_DEVICE
        self._from_device = directions.XCL_BO_SYNC_BO_FROM_DEVICE
        self._bytes = np.asarray(_Mapping(bo, nbytes))
        self._bytes[:] = 0
        bo.sync(self._to_device, nbytes, 0)

    @property
    def bo(self) -> portable.Bo:
        """The BO, for a launch. Raises ValueError after ``close``."""
        if self._bo is None:
            raise ValueError("The buffer is closed.")
        return self._bo

    def view(self, dtype: DTypeLike = np.uint8, offset: int = 0, elements: int | None = None) -> NDArray[Any]:
        """``elements`` (default: all that follow) of ``dtype`` from byte ``offset`` on: a writable view, flat."""
        if self._bo is None:
            raise ValueError("The buffer is closed.")
        item = np.dtype(dtype).itemsize
        count = (self.nbytes - offset) // item if elements is None else elements
        if offset < 0 or count < 0 or offset + count * item > self.nbytes:
            raise ValueError(f"{count} elements of {np.dtype(dtype)} from byte {offset} of a buffer of {self.nbytes}.")
        return self._bytes[offset : offset + count * item].view(dtype)

    def to_device(self, offset: int = 0, nbytes: int | None = None) -> None:
        """Let the device see what the host wrote to a range; from ``offset`` to the end by default.

        Raises DeviceLost, LaunchFailed.
        """
        self._sync(self._to_device, offset, nbytes)

    def from_device(self, offset: int = 0, nbytes: int | None = None) -> None:
        """Let the host see what the device wrote to a range; from ``offset`` to the end by default.

        Raises DeviceLost, LaunchFailed.
        """
        self._sync(self._from_device, offset, nbytes)

    def close(self) -> None:
        """Let the BO go, with the last view of it."""
        self._bo = None
        self._bytes = np.empty(0, np.uint8)

    def _sync(self, direction: Any, offset: int, nbytes: int | None) -> None:
        _, failure = attempt(lambda: self.bo.sync(direction, *self._range(offset, nbytes)))
        if failure is not None:
            raise while_syncing(failure)

    def _range(self, offset: int, nbytes: int | None) -> tuple[int, int]:
        """(size, offset), as pyxrt wants them."""
        size = self.nbytes - offset if nbytes is None else nbytes
        if offset < 0 or size < 0 or offset + size > self.nbytes:
            raise ValueError(f"Bytes {offset} to {offset + size} of a buffer of {self.nbytes}.")
        return size, offset


class _Mapping:
    """A BO's host memory for ``np.asarray``; every array made of it holds it, and with it the BO."""

    def __init__(self, bo: portable.Bo, nbytes: int) -> None:
        self._bo = bo
        self._memory = np.frombuffer(bo.map(), np.uint8, nbytes)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self._memory.__array_interface__
