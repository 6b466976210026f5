"""The statements of a core's program: acquire and release an object of a FIFO, call a kernel, loop.

The words are those of mlir-aie's AIE dialect (mlir-aie@97962964).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kernels.array.tile import Tile


@dataclass(frozen=True, slots=True)
class Acquire:
    """A statement that waits for the next object of ``fifo``: a full one to read, or a free one to write.

    The core reads a FIFO that it is a target of, and writes one that it is the source of. A core holds at most one
    object of a FIFO at a time.
    """

    fifo: str


@dataclass(frozen=True, slots=True)
class Release:
    """A statement that gives the held object of ``fifo`` back.

    A reader (target of the FIFO) frees the object to be filled again; the writer (source) sends it on, full.
    """

    fifo: str


@dataclass(frozen=True, slots=True)
class Held:
    """A kernel argument: the object (block of data) of the FIFO ``fifo`` that the core holds during the call."""

    fifo: str


@dataclass(frozen=True, slots=True)
class Local:
    """A kernel argument: the buffer named ``buffer`` in the memory of the core's own tile."""

    buffer: str


@dataclass(frozen=True, slots=True)
class Index:
    """A kernel argument: the number, from 0, of the current pass of the enclosing loop ``loop``, as an i32."""

    loop: str


@dataclass(frozen=True, slots=True)
class Call:
    """A statement that runs the kernel function ``kernel``.

    ``args`` are held objects, local buffers, pass numbers of loops, and constants.
    """

    kernel: str
    args: tuple[Held | Local | Index | int, ...]


@dataclass(frozen=True, slots=True)
class BufferWord:
    """A loop count from memory: word ``index`` of an i32 buffer of the core, read when the loop begins."""

    buffer: str
    index: int


@dataclass(frozen=True, slots=True)
class Loop:
    """A statement that runs ``body`` ``count`` times, or not at all if ``count`` is 0.

    A core skips FIFO operations by a loop, never by a branch, because mlir-aie drops acquires inside branches.
    """

    name: str
    count: int | BufferWord
    body: tuple[Statement, ...]


Statement = Acquire | Release | Call | Loop


@dataclass(frozen=True, slots=True)
class Core:
    """The program of one core: ``body`` runs again and again, for as long as the overlay is loaded.

    ``stack_bytes`` is the stack that the core reserves; a multiple of 32.
    """

    tile: Tile
    body: tuple[Statement, ...]
    stack_bytes: int

    @property
    def dynamic(self) -> bool:
        """True if the core picks FIFO objects at run time (mlir-aie's ``dynamic_objfifo_lowering``).

        Every core with a loop does. In a loop that acquires, mlir-aie's static lowering may return one and the same
        object for ever. The static lowering keeps a loop that does not acquire, but unrolls it in the copies that it
        makes of the body around it, and fails if the count is data or 0. A body without loops is unrolled correctly.
        """
        return any(isinstance(part, Loop) for part in self.body)


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Yield every statement of a body, nested ones too; a loop comes before the statements in it."""
    for statement in body:
        yield statement
        if isinstance(statement, Loop):
            yield from statements(statement.body)
