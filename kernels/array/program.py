"""The program of a core as statements: acquire, release, call, loop.

The words are those of mlir-aie's AIE dialect (mlir-aie@97962964).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kernels.array.tile import Tile


@dataclass(frozen=True, slots=True)
class Acquire:
    """Wait for the next object of ``fifo``: a full one where the core is a target, a free one where it is the source.

    A core holds at most one object of a FIFO at a time.
    """

    fifo: str


@dataclass(frozen=True, slots=True)
class Release:
    """Give the held object of ``fifo`` back: a target frees it to be filled again, the source sends it on, full."""

    fifo: str


@dataclass(frozen=True, slots=True)
class Held:
    """The object of ``fifo`` that the core holds, as an argument of a kernel."""

    fifo: str


@dataclass(frozen=True, slots=True)
class Local:
    """A buffer of the core's own tile, as an argument of a kernel."""

    buffer: str


@dataclass(frozen=True, slots=True)
class Index:
    """The number of the current pass of the enclosing loop ``loop``, as an i32 argument."""

    loop: str


@dataclass(frozen=True, slots=True)
class Call:
    """Run a kernel function on held objects, local buffers, pass numbers of loops, and constants."""

    kernel: str
    args: tuple[Held | Local | Index | int, ...]


@dataclass(frozen=True, slots=True)
class BufferWord:
    """A loop count from memory: word ``index`` of an i32 buffer of the core, read when the loop begins."""

    buffer: str
    index: int


@dataclass(frozen=True, slots=True)
class Loop:
    """``count`` passes over ``body``, none if it is 0. A core skips FIFO operations by a loop, never by a branch."""

    name: str
    count: int | BufferWord
    body: tuple[Statement, ...]


Statement = Acquire | Release | Call | Loop


@dataclass(frozen=True, slots=True)
class Core:
    """The program of one core: ``body`` again and again, for as long as the overlay is loaded.

    ``stack_bytes`` is the stack that the core reserves; a multiple of 32.
    """

    tile: Tile
    body: tuple[Statement, ...]
    stack_bytes: int

    @property
    def dynamic(self) -> bool:
        """True if the core picks FIFO objects at run time (mlir-aie's ``dynamic_objfifo_lowering``).

        Every core with a loop does. In a loop that acquires, the static lowering may return the same object for ever.
        It keeps a loop that does not acquire, but unrolls it in the copies that it makes of the body around it, and
        fails if the count is data or 0. A body without loops it unrolls correctly.
        """
        return any(isinstance(part, Loop) for part in self.body)


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Yield every statement of a body, each loop before the statements in it."""
    for statement in body:
        yield statement
        if isinstance(statement, Loop):
            yield from statements(statement.body)
