"""The elements that a DMA descriptor visits, in stream order.

A descriptor is a start, up to three nested dimensions that make one pass, and a step that moves the start from one
pass to the next. The step acts only when the task that holds the descriptor repeats; in a chain every descriptor steps
by itself, once per repeat of the chain (mlir-aie AIEXDialect.cpp getHardwareStridesWraps@97962964: sizes and strides
map from the outermost to [iteration, D2, D1, D0]). Offsets and strides count the elements that the buffer is viewed
as: those of a launch argument for a ``Transfer``, 32-bit words for a descriptor read back from an instruction stream.
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
    """The access pattern of one descriptor: ``length`` elements a pass, from ``offset`` on, through ``dims``.

    ``dims`` are outermost first; empty ``dims`` is a contiguous run. Pass number n starts at
    ``offset + n % step.size * step.stride``.

    >>> Pattern(100, 6, (Dim(2, 10), Dim(3, 1))).indices().tolist()
    [100, 101, 102, 110, 111, 112]

    Raises ValueError for negative or empty numbers, and for dimensions that do not make ``length``.
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
        """The dimensions of more than one step, with runs that continue each other joined; (length, 1) for a run."""
        return _joined(self.dims) if self.dims else (Dim(self.length, 1),)

    @property
    def contiguous(self) -> bool:
        """True if one pass is a single run."""
        return self.shape == (Dim(self.length, 1),)

    def start(self, number: int) -> int:
        """The first element of pass ``number``."""
        return self.offset + number % self.step.size * self.step.stride

    def extent(self, passes: int = 1) -> tuple[int, int]:
        """The half-open range of elements that ``passes`` passes lie in; the buffer must hold it."""
        last = self.offset + (min(passes, self.step.size) - 1) * self.step.stride
        return self.offset, last + sum((dim.size - 1) * dim.stride for dim in self.shape) + 1

    def indices(self, number: int = 0) -> NDArray[np.int64]:
        """The elements of pass ``number``, int64 [length], in stream order. ``view`` is the faster way to move them."""
        return _steps(self.shape) + self.start(number)

    def view(self, buffer: NDArray[Any], number: int = 0) -> NDArray[Any]:
        """Pass ``number`` as a strided view of a flat buffer: C order of the view is stream order; nothing is copied.

        Raises IndexError where the pass leaves the buffer.
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
        """Return the values of pass ``number`` in stream order: one flat array, which is a view if it is one run."""
        return self.view(buffer, number).reshape(-1)

    def put(self, buffer: NDArray[Any], data: NDArray[Any], number: int = 0, at: int = 0) -> None:
        """Store values from the stream; ``data`` may be a part of pass ``number``, from its element ``at`` on.

        If a pass visits an element twice, either value may remain, as on the chip.
        """
        if at == 0 and data.size == self.length:
            view = self.view(buffer, number)
            view[...] = data.reshape(view.shape)
        else:
            self.view(buffer, number)  # the bounds of the whole pass
            buffer[_steps(self.shape)[at : at + data.size] + self.start(number)] = data.reshape(-1)


def pattern(transfer: Transfer) -> Pattern:
    """Return the pattern of a shim transfer: its three inner dimensions, and the fourth, outermost, as the step."""
    if len(transfer.dims) > 4:
        raise ValueError(f"A descriptor has at most 4 dimensions, not {len(transfer.dims)}.")
    inner, outer = transfer.dims[-3:], transfer.dims[:-3]
    return Pattern(transfer.offset, transfer.length, inner, outer[0] if outer else ONCE)


def unfolded(start: Start) -> Start:
    """Return the task in a form that keeps its step when mlir-aie compiles it.

    mlir-aie drops the outermost of four dimensions that together form one run, so that every pass would read the first
    (LinearizeContiguousBDTransfer, mlir-aie AIEDialect.cpp@97962964). A task of one such transfer is rewritten as that
    one run, once. Raises ValueError for a chain that holds such a transfer, which cannot be rewritten, and if the
    numbers of passes and steps differ.
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
    """Drop dimensions of one step and join an outer dimension to the inner one that it merely continues."""
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
    """The offsets of one pass from its start, cached: a sequence repeats few shapes many times."""
    steps = np.zeros(1, np.int64)
    for dim in shape:
        steps = (steps[:, None] + np.arange(dim.size, dtype=np.int64) * dim.stride).reshape(-1)
    steps.setflags(write=False)
    return steps
