"""A design, the description of a program for the whole array: object FIFOs, buffers, kernels, core programs, sequences.

A design is frozen data with several readers: ``check`` compares it with the limits of the hardware, ``lower.mlir``
writes the text for mlir-aie, ``lower.encode`` the instructions that the NPU's controller runs, and ``simulate`` runs it
with the host-compiled kernels. The words are mlir-aie's (docs of the AIE dialect, mlir-aie@97962964): object FIFO,
acquire, release, link, task. ``kernels/example/design.py`` is a complete small design.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kernels.array.program import Core
from kernels.array.sequence import Sequence
from kernels.array.tile import Block, Dim, Tile


@dataclass(frozen=True, slots=True)
class ObjectFifo:
    """A queue that carries objects (blocks of a fixed size) from the tile ``source`` to every tile of ``targets``.

    ``depths`` are the numbers of objects that the source can hold, then those of each target; several targets make a
    broadcast. ``to_stream`` is the order in which the source's DMA reads an object, outermost dimension first; empty
    means the order in memory.

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
    """A connection in a memtile: objects of the FIFOs that end there pass, uncopied, to FIFOs that start there.

    One to one forwards objects. Many to one joins and one to many distributes: ``offsets`` (in elements of the large
    object) are the positions of the parts. ``sources`` and ``targets`` are names of FIFOs.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    offsets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TileBuffer:
    """A named piece of a tile's memory that keeps its content from launch to launch while the overlay is loaded.

    ``initial`` is its content after loading, part of the configuration (the PDI); without it the content is undefined.
    """

    name: str
    tile: Tile
    block: Block
    initial: NDArray[np.generic] | None = None


@dataclass(frozen=True, slots=True)
class KernelFunction:
    """A C function of a kernel source that core programs can call; it returns nothing.

    ``args`` are the argument types: blocks (passed as pointers) or "i32" (passed by value). ``source`` is the C++ file,
    relative to the package ``kernels``. ``stack_bytes`` is the deepest stack that the function needs, and
    ``text_bytes`` its measured size in program memory, if known. Pointers must be multiples of ``alignment`` bytes: 32
    for vector loads, 4 for scalar code.
    """

    name: str
    args: tuple[Block | Literal["i32"], ...]
    source: str
    stack_bytes: int = 0
    text_bytes: int | None = None
    alignment: int = 32


@dataclass(frozen=True, slots=True)
class Design:
    """An overlay (a configuration of the array that is loaded once), and the sequences (launches) that run on it.

    ``columns`` (1, 2 or 4) is the number of array columns that it uses. ``defines`` are the macros that its kernels are
    compiled with, on the host and for the chip alike.

    >>> design = Design(
    ...     name="scale", columns=1, fifos=(...), links=(), buffers=(), kernels=(...), cores=(...), sequences=(...)
    ... )
    >>> check(design)  # kernels.array.check.check
    >>> Simulation(design).run(encode(design, design.sequences[0]), arguments)

    ``kernels/example/design.py`` has real values for the parts left out above.
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
        """mlir-aie's name of the device with this number of columns: "npu1", "npu1_2col" or "npu1_1col"."""
        return "npu1" if self.columns == 4 else f"npu1_{self.columns}col"

    @property
    def sources(self) -> tuple[Path, ...]:
        """The kernels' C++ files, without duplicates, in order of first use; relative to the package ``kernels``."""
        return tuple(dict.fromkeys(Path(kernel.source) for kernel in self.kernels))

    def fifo(self, name: str) -> ObjectFifo:
        """Return the FIFO with this name, which must be one of the design's."""
        return next(fifo for fifo in self.fifos if fifo.name == name)

    def kernel(self, name: str) -> KernelFunction:
        """Return the kernel function with this name, which must be one of the design's."""
        return next(kernel for kernel in self.kernels if kernel.name == name)

    def tiles(self) -> tuple[Tile, ...]:
        """Return every tile that has a program, a buffer or an end of a FIFO, sorted by column and row."""
        ends = {tile for fifo in self.fifos for tile in (fifo.source, *fifo.targets)}
        return tuple(sorted(ends | {core.tile for core in self.cores} | {buffer.tile for buffer in self.buffers}))
