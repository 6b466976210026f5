"""What a design is made of: tiles, object FIFOs, core programs and runtime sequences, as frozen data.

One description, several readers: ``check`` holds it against the hardware, ``mlir`` writes the text for mlir-aie,
``stream`` the instructions that the NPU's controller runs, ``simulate`` runs it with the host-compiled kernels.
The words are mlir-aie's (docs of the AIE dialect, mlir-aie@97962964): object FIFO, acquire, release, link, task.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

DType = Literal["bf16", "f32", "i8", "i16", "i32"]
ITEM_BYTES: dict[DType, int] = {"bf16": 2, "f32": 4, "i8": 1, "i16": 2, "i32": 4}


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile of the array by column and row: row 0 is the shim, row 1 the memtile, rows 2 to 5 are cores."""

    col: int
    row: int

    @property
    def kind(self) -> Literal["shim", "memtile", "core"]:
        return "shim" if self.row == 0 else "memtile" if self.row == 1 else "core"

    def __str__(self) -> str:
        return f"({self.col}, {self.row})"


@dataclass(frozen=True, slots=True)
class Block:
    """A contiguous run of ``elements`` of one type: what a FIFO carries, a buffer holds, a kernel is handed."""

    dtype: DType
    elements: int

    @property
    def nbytes(self) -> int:
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
    """Objects of one block from ``source`` to every one of ``targets`` (several: a broadcast).

    ``depths`` are the objects that the source holds, then those of each target. ``to_stream`` is the order in which
    the source's DMA reads an object, outermost dimension first; empty means as it lies.
    """

    name: str
    source: Tile
    targets: tuple[Tile, ...]
    block: Block
    depths: tuple[int, ...]
    to_stream: tuple[Dim, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """FIFOs that end in a memtile handed on to FIFOs that start there, without a copy.

    One to one forwards. Many to one joins and one to many distributes: ``offsets`` (in elements of the large object)
    say where the part of each of the many lies.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    offsets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """Memory of one tile that lives as long as the overlay; ``initial`` is part of the configuration (the PDI)."""

    name: str
    tile: Tile
    block: Block
    initial: NDArray[np.generic] | None = None


@dataclass(frozen=True, slots=True)
class Kernel:
    """A C function of a kernel source: ``args`` are blocks (passed as pointers) or "i32" (by value); returns nothing.

    ``source`` is the C++ file, relative to the package ``kernels``. ``stack_bytes`` is the deepest stack that the
    function needs, and ``text_bytes`` its measured size, where known. ``alignment`` is what its pointers must be
    multiples of: 32 bytes for vector loads, 4 for scalar code.
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
    """Give the held object of ``fifo`` back: free to be filled again, or full for the targets."""

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
    """Run a kernel on held objects, local buffers, loop numbers and constants."""

    kernel: str
    args: tuple[Held | Local | Index | int, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """Word ``index`` of an i32 buffer of the core, read when the loop that it bounds begins."""

    buffer: str
    index: int


@dataclass(frozen=True, slots=True)
class Loop:
    """``count`` passes over ``body``; none if it is 0. A loop, never a branch, is how a core skips FIFO operations."""

    name: str
    count: int | Word
    body: tuple[Statement, ...]


Statement = Acquire | Release | Call | Loop


@dataclass(frozen=True, slots=True)
class Core:
    """The program of one core: ``body`` again and again, for as long as the overlay is resident."""

    tile: Tile
    body: tuple[Statement, ...]
    stack_bytes: int

    @property
    def dynamic(self) -> bool:
        """Whether the core picks FIFO objects at run time (mlir-aie's ``dynamic_objfifo_lowering``).

        Wherever there is a loop. In one that acquires, the static lowering may hand out one object for ever. One that
        does not acquire it leaves alone, but not in the copies that it makes of the body around it: those it unrolls
        too, and fails where their count is data or 0. A flat body it unrolls rightly.
        """
        return any(isinstance(part, Loop) for part in self.body)


@dataclass(frozen=True, slots=True)
class Transfer:
    """One shim buffer descriptor: which elements of a launch argument go through the FIFO, in which order.

    ``dims`` are outermost first. Up to three describe one pass over ``length`` elements; a fourth, in front, moves
    the start from pass to pass and needs a task that repeats (``Start.repeat`` = its size - 1). Empty ``dims`` is a
    contiguous run. ``offset`` and strides are in elements of the argument.
    """

    argument: str
    offset: int
    length: int
    dims: tuple[Dim, ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """Queue a task on the shim channel of ``fifo``: its transfers in a chain, the chain ``repeat`` + 1 times.

    With ``token`` the end of the task can be awaited.
    """

    task: str
    fifo: str
    transfers: tuple[Transfer, ...]
    repeat: int = 0
    token: bool = False


@dataclass(frozen=True, slots=True)
class Await:
    """Hold the sequence until a task with a token has ended; its descriptors are free then."""

    task: str


@dataclass(frozen=True, slots=True)
class Free:
    """Take back the descriptors of a task that is known, from an awaited later one, to have ended."""

    task: str


Step = Start | Await | Free


@dataclass(frozen=True, slots=True)
class Sequence:
    """One instruction stream: ``arguments`` in launch order, then what the controller does with them."""

    name: str
    arguments: tuple[tuple[str, Block], ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Design:
    """An overlay: what is loaded once, and the sequences that run on it.

    ``columns`` (1, 2 or 4) is the width of the partition. ``defines`` are the macros that its kernels are compiled
    with, on the host and for the chip alike.
    """

    name: str
    columns: int
    fifos: tuple[ObjectFifo, ...]
    links: tuple[Link, ...]
    buffers: tuple[Buffer, ...]
    kernels: tuple[Kernel, ...]
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
        return next(fifo for fifo in self.fifos if fifo.name == name)

    def kernel(self, name: str) -> Kernel:
        return next(kernel for kernel in self.kernels if kernel.name == name)

    def tiles(self) -> tuple[Tile, ...]:
        """Every tile that anything lives on or flows through, in order."""
        ends = {tile for fifo in self.fifos for tile in (fifo.source, *fifo.targets)}
        return tuple(sorted(ends | {core.tile for core in self.cores} | {buffer.tile for buffer in self.buffers}))


def statements(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """Every statement of a body, loops before what is in them."""
    for statement in body:
        yield statement
        if isinstance(statement, Loop):
            yield from statements(statement.body)
