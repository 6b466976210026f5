"""The parts of a design as frozen data: tiles, object FIFOs, core programs and runtime sequences.

A design has several readers: ``check`` compares it with the limits of the hardware, ``lower.mlir`` writes the text for
mlir-aie, ``lower.encode`` the instructions that the NPU's controller runs, and ``simulate`` runs it with the
host-compiled kernels. The words are mlir-aie's (docs of the AIE dialect, mlir-aie@97962964): object FIFO, acquire,
release, link, task. ``kernels/example/design.py`` is a complete small design.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # of a FIFO, buffer, kernel function, sequence, task or loop
DType = Literal["bf16", "f32", "i8", "i16", "i32"]
ITEM_BYTES: dict[DType, int] = {"bf16": 2, "f32": 4, "i8": 1, "i16": 2, "i32": 4}


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile of the array by column and row: row 0 is the shim, row 1 the memtile, rows 2 to 5 are cores."""

    col: int
    row: int

    @property
    def kind(self) -> Literal["shim", "memtile", "core"]:
        """The kind of tile that the row holds."""
        return "shim" if self.row == 0 else "memtile" if self.row == 1 else "core"

    def __str__(self) -> str:
        return f"({self.col}, {self.row})"


@dataclass(frozen=True, slots=True)
class Block:
    """A contiguous run of ``elements`` of one type: the object of a FIFO, the content of a buffer, a kernel's argument.

    >>> Block("bf16", 4096).nbytes
    8192
    """

    dtype: DType
    elements: int

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.elements * ITEM_BYTES[self.dtype]

    def __str__(self) -> str:
        return f"memref<{self.elements}x{self.dtype}>"


@dataclass(frozen=True, slots=True)
class Dim:
    """One dimension of a DMA access pattern: ``size`` steps of ``stride`` elements."""

    size: int
    stride: int


@dataclass(frozen=True, slots=True)
class ObjectFifo:
    """A queue of objects of one block from ``source`` to every one of ``targets`` (several targets: a broadcast).

    ``depths`` are the numbers of objects that the source can hold, then those of each target. ``to_stream`` is the
    order in which the source's DMA reads an object, outermost dimension first; empty means the order in memory.

    >>> ObjectFifo("in", Tile(0, 0), (Tile(0, 2),), Block("bf16", 1024), depths=(2, 2))  # shim to core
    """

    name: str
    source: Tile
    targets: tuple[Tile, ...]
    block: Block
    depths: tuple[int, ...]
    to_stream: tuple[Dim, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A connection in a memtile, without a copy, from the FIFOs that end there to FIFOs that start there.

    One to one forwards objects. Many to one joins and one to many distributes: ``offsets`` (in elements of the large
    object) are the positions of the parts.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    offsets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TileBuffer:
    """Memory of one tile that is kept as long as the overlay is loaded.

    ``initial`` is its content after loading, part of the configuration (the PDI); without it the content is undefined.
    """

    name: str
    tile: Tile
    block: Block
    initial: NDArray[np.generic] | None = None


@dataclass(frozen=True, slots=True)
class KernelFunction:
    """A C function of a kernel source, without a result.

    ``args`` are blocks (passed as pointers) or "i32" (passed by value). ``source`` is the C++ file, relative to the
    package ``kernels``. ``stack_bytes`` is the deepest stack that the function needs, and ``text_bytes`` its measured
    size in program memory, if known. Pointers must be multiples of ``alignment`` bytes: 32 for vector loads, 4 for
    scalar code.
    """

    name: str
    args: tuple[Block | Literal["i32"], ...]
    source: str
    stack_bytes: int = 0
    text_bytes: int | None = None
    alignment: int = 32


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


@dataclass(frozen=True, slots=True)
class Design:
    """An overlay, which is loaded once, and the sequences that run on it.

    ``columns`` (1, 2 or 4) is the width of the partition. ``defines`` are the macros that its kernels are compiled
    with, on the host and for the chip alike.

    >>> design = Design(
    ...     name="scale", columns=1, fifos=(...), links=(), buffers=(), kernels=(...), cores=(...), sequences=(...)
    ... )
    >>> check(design)  # kernels.array.check.check
    >>> Simulation(design).run(encode(design, design.sequences[0]), arguments)

    ``kernels/example/design.py`` has the parts of this one.
    """

    name: str
    columns: int
    fifos: tuple[ObjectFifo, ...]
    links: tuple[Link, ...]
    buffers: tuple[TileBuffer, ...]
    kernels: tuple[KernelFunction, ...]
    cores: tuple[Core, ...]
    sequences: tuple[Sequence, ...]
    defines: dict[str, int] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """mlir-aie's name of the partition."""
        return "npu1" if self.columns == 4 else f"npu1_{self.columns}col"

    @property
    def sources(self) -> tuple[Path, ...]:
        """The kernels' C++ files, each once, in order of first use; relative to the package ``kernels``."""
        return tuple(dict.fromkeys(Path(kernel.source) for kernel in self.kernels))

    def fifo(self, name: str) -> ObjectFifo:
        """Return the FIFO of a name, which must be one of the design's."""
        return next(fifo for fifo in self.fifos if fifo.name == name)

    def kernel(self, name: str) -> KernelFunction:
        """Return the kernel function of a name, which must be one of the design's."""
        return next(kernel for kernel in self.kernels if kernel.name == name)

    def tiles(self) -> tuple[Tile, ...]:
        """Return every tile that has a program, a buffer or an end of a FIFO, in order."""
        ends = {tile for fifo in self.fifos for tile in (fifo.source, *fifo.targets)}
        return tuple(sorted(ends | {core.tile for core in self.cores} | {buffer.tile for buffer in self.buffers}))


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Yield every statement of a body, each loop before the statements in it."""
    for statement in body:
        yield statement
        if isinstance(statement, Loop):
            yield from statements(statement.body)
