"""A runtime sequence: the transfers between DRAM and the array that the NPU's controller runs in a launch."""

from __future__ import annotations

from dataclasses import dataclass

from kernels.array.tile import Block, Dim


@dataclass(frozen=True, slots=True)
class Transfer:
    """One shim DMA descriptor: the elements of a launch argument that go through a FIFO, and their order.

    ``dims`` are outermost first. Up to three describe one pass over ``length`` elements; a fourth, in front, moves the
    start from pass to pass and needs a task that repeats (``Start.repeat`` = its size - 1). Empty ``dims`` is a
    contiguous run. ``offset`` and strides are in elements of the argument.

    >>> Transfer("x", 0, 64, (Dim(8, 128), Dim(8, 1)))  # the upper left 8 x 8 of a matrix of 128 columns
    """

    argument: str
    offset: int
    length: int
    dims: tuple[Dim, ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """A step that queues a task on the shim channel of ``fifo``: the chain of ``transfers``, run ``repeat`` + 1 times.

    With ``token`` the channel signals the end of the task, so that an ``Await`` can wait for it.
    """

    task: str
    fifo: str
    transfers: tuple[Transfer, ...]
    repeat: int = 0
    token: bool = False


@dataclass(frozen=True, slots=True)
class Await:
    """A step that waits until a task with a token has ended; the task's DMA descriptors are free then."""

    task: str


@dataclass(frozen=True, slots=True)
class Free:
    """A step that frees the DMA descriptors of a task without waiting for the task's end.

    The await of a later task must have shown that the task has ended.
    """

    task: str


Step = Start | Await | Free


@dataclass(frozen=True, slots=True)
class Sequence:
    """One launch: the ``arguments`` (name and block) in launch order, and the steps that the NPU's controller takes."""

    name: str
    arguments: tuple[tuple[str, Block], ...]
    steps: tuple[Step, ...]
