"""A runtime sequence: the transfers between DRAM and the array that the NPU's controller starts and awaits."""

from __future__ import annotations

from dataclasses import dataclass

from kernels.array.tile import Block, Dim


@dataclass(frozen=True, slots=True)
class Transfer:
    """One shim buffer descriptor: the elements of a launch argument that go through the FIFO, in order.

    ``dims`` are outermost first. Up to three describe one pass over ``length`` elements; a fourth, in front, moves
    the start from pass to pass and needs a task that repeats (``Start.repeat`` = its size - 1). Empty ``dims`` is a
    contiguous run. ``offset`` and strides are in elements of the argument.

    >>> Transfer("x", 0, 64, (Dim(8, 128), Dim(8, 1)))  # the upper left 8 x 8 of a matrix of 128 columns
    """

    argument: str
    offset: int
    length: int
    dims: tuple[Dim, ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """Queue a task on the shim channel of ``fifo``: its transfers in a chain, the chain ``repeat`` + 1 times.

    A sequence can await the end of a task with ``token``.
    """

    task: str
    fifo: str
    transfers: tuple[Transfer, ...]
    repeat: int = 0
    token: bool = False


@dataclass(frozen=True, slots=True)
class Await:
    """Wait in the sequence until a task with a token has ended; its descriptors are free then."""

    task: str


@dataclass(frozen=True, slots=True)
class Free:
    """Free the descriptors of a task that has ended, as the await of a later task has shown."""

    task: str


Step = Start | Await | Free


@dataclass(frozen=True, slots=True)
class Sequence:
    """One instruction stream: the ``arguments`` (name and block) in launch order, and the steps of the controller."""

    name: str
    arguments: tuple[tuple[str, Block], ...]
    steps: tuple[Step, ...]
