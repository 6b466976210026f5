"""The access pattern of a DMA descriptor: the elements that it visits, in stream order.

A descriptor is a start, up to three nested dimensions that make one pass, and a step that moves the start from one pass
to the next. The step acts only when the task that holds the descriptor repeats; in a chain every descriptor steps by
itself, once per repeat of the chain (mlir-aie AIEXDialect.cpp getHardwareStridesWraps@97962964: sizes and strides map
from the outermost to [iteration, D2, D1, D0]). Offsets and strides count the elements that the buffer is viewed as:
elements of the launch argument for a ``Transfer``, 32-bit words for a descriptor read back from an instruction stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.array.sequence import Start, Transfer
from kernels.array.tile import Dim

ONCE = Dim(1, 0)


@dataclass(frozen=True, slots=True)
class Pattern:
    """The access pattern of a DMA descriptor: each pass visits ``length`` elements from ``offset`` on.

    ``dims`` are the pass's nested dimensions, outermost first; empty ``dims`` is a contiguous run. Pass number n starts
    at ``offset + n % step.size * step.stride``.

    >>> Pattern(100, 6, (Dim(2, 10), Dim(3, 1))).indices().tolist()
    [100, 101, 102, 110, 111, 112]

    Raises ValueError for negative or empty numbers, and for dimensions whose product is not ``length``.
    """

    offset: int
    length: int
    dims: tuple[Dim, ...] = ()
    step: Dim = ONCE

    def __post_init__(self) -> None:
        if self.offset < 0 or self.length < 1 or self.step.size < 1 or self.step.stride < 0:
            raise ValueError(f"A pattern starts at 0 or later and has a length and a step: {self}.")
        if any(dim.size < 1 or dim.stride < 0 for dim in self.dims):
            raise ValueError(f"Sizes are 1 or more and strides 0 or more: {self.dims}.")
        if self.dims and math.prod(dim.size for dim in self.dims) != self.length:
            raise ValueError(f"The dimensions {self.dims} do not make {self.length} elements.")

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The dimensions of one pass in their simplest form, outermost first.

        Dimensions of one step are dropped, and runs that continue each other are joined; a single run is (length, 1).
        """
        return _joined(self.dims) if self.dims else (Dim(self.length, 1),)

    @property
    def contiguous(self) -> bool:
        """True if one pass is a single contiguous run."""
        return self.shape == (Dim(self.length, 1),)

    def start(self, number: int) -> int:
        """Return the index of the first element of pass ``number`` in the buffer."""
        return self.offset + number % self.step.size * self.step.stride

    def extent(self, passes: int = 1) -> tuple[int, int]:
        """Return the range of buffer elements that ``passes`` passes visit, as first and end (excluded).

        The buffer must hold the range.
        """
        last = self.offset + (min(passes, self.step.size) - 1) * self.step.stride
        return self.offset, last + sum((dim.size - 1) * dim.stride for dim in self.shape) + 1

    def indices(self, number: int = 0) -> NDArray[np.int64]:
        """Return the buffer indices of pass ``number`` in stream order: int64 [length]. ``view`` moves data faster."""
        return _steps(self.shape) + self.start(number)

    def view(self, buffer: NDArray[Any], number: int = 0) -> NDArray[Any]:
        """Return a strided view of the elements of pass ``number`` in a flat buffer; nothing is copied.

        C order of the view is stream order. Raises IndexError where the pass leaves the buffer.
        """
        start = self.start(number)
        end = start + sum((dim.size - 1) * dim.stride for dim in self.shape) + 1
        if buffer.ndim != 1 or end > buffer.size:
            raise IndexError(f"Elements {start} to {end - 1} of a buffer of {buffer.size}.")
        item = buffer.strides[0]
        return np.lib.stride_tricks.as_strided(
            buffer[start:],
            shape=tuple(dim.size for dim in self.shape),
            strides=tuple(dim.stride * item for dim in self.shape),
        )

    def take(self, buffer: NDArray[Any], number: int = 0) -> NDArray[Any]:
        """Return the values of pass ``number`` in stream order: a flat array, which is a view if the pass is a run."""
        return self.view(buffer, number).reshape(-1)

    def put(self, buffer: NDArray[Any], data: NDArray[Any], number: int = 0, at: int = 0) -> None:
        """Store values from the stream in the elements of pass ``number``, from the pass's element ``at`` on.

        ``data`` may be a part of the pass. If a pass visits an element twice, either value may remain, as on the chip.
        Raises IndexError where the pass leaves the buffer.
        """
        if at == 0 and data.size == self.length:
            view = self.view(buffer, number)
            view[...] = data.reshape(view.shape)
        else:
            self.view(buffer, number)  # the bounds of the whole pass
            buffer[_steps(self.shape)[at : at + data.size] + self.start(number)] = data.reshape(-1)


def pattern(transfer: Transfer) -> Pattern:
    """Return the access pattern of a shim transfer: the inner three dimensions make a pass, a fourth the step.

    Raises ValueError for more than four dimensions, and as ``Pattern`` does.
    """
    if len(transfer.dims) > 4:
        raise ValueError(f"A descriptor has at most 4 dimensions, not {len(transfer.dims)}.")
    inner, outer = transfer.dims[-3:], transfer.dims[:-3]
    return Pattern(transfer.offset, transfer.length, inner, outer[0] if outer else ONCE)


def unfolded(start: Start) -> Start:
    """Return a task that moves the same elements as ``start`` after mlir-aie has compiled it.

    mlir-aie drops the outermost of four dimensions that together form one run, so that every pass would read the
    elements of the first (LinearizeContiguousBDTransfer, mlir-aie AIEDialect.cpp@97962964). A task of one such transfer
    is rewritten as a single long run without repeats; other tasks are returned as they are. Raises ValueError for a
    chain that holds such a transfer, which cannot be rewritten, and if the numbers of passes and steps differ.
    """
    folding = [visited for visited in map(pattern, start.transfers) if _folds(visited)]
    if not folding:
        return start
    if len(start.transfers) > 1:
        raise ValueError(
            f"Task {start.task}: a transfer of a chain steps by its own length ({folding[0].length} elements), which "
            "mlir-aie folds into one run and loses; queue the transfers as tasks of their own."
        )
    (transfer,) = start.transfers
    if start.repeat + 1 != folding[0].step.size:
        raise ValueError(f"Task {start.task}: {folding[0].step.size} steps for {start.repeat + 1} passes.")
    whole = replace(transfer, length=folding[0].length * folding[0].step.size, dims=())
    return replace(start, transfers=(whole,), repeat=0)


def _folds(visited: Pattern) -> bool:
    return visited.contiguous and visited.step.size > 1 and visited.step.stride == visited.length


@lru_cache(maxsize=256)
def _joined(dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """Drop dimensions of one step, and join each outer dimension to the inner one that it merely continues."""
    result: list[Dim] = []
    for dim in reversed(dims):
        if dim.size == 1:
            continue
        if result and dim.stride == result[-1].size * result[-1].stride:
            result[-1] = Dim(dim.size * result[-1].size, result[-1].stride)
        else:
            result.append(dim)
    return tuple(reversed(result)) or (Dim(1, 1),)


@lru_cache(maxsize=64)
def _steps(shape: tuple[Dim, ...]) -> NDArray[np.int64]:
    """Return the element offsets of one pass from its start, in stream order: int64, read-only.

    The result is cached, because a sequence repeats few shapes many times.
    """
    steps = np.zeros(1, np.int64)
    for dim in shape:
        steps = (steps[:, None] + np.arange(dim.size, dtype=np.int64) * dim.stride).reshape(-1)
    steps.setflags(write=False)
    return steps
