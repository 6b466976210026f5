"""The memory map of a tile, as mlir-aie's basic-sequential scheme lays it out, and the check that the map fits.

The scheme (AIEAssignBuffers.cpp@97962964, basicAllocation): the stack first, then everything else from the largest to
the smallest, without gaps; equal sizes in the order of their text, in which FIFO objects come before buffers and the
last FIFO comes first. The linker uses the rest of the memory for .data and .rodata (AIETargetLdScript.cpp). The
bank-aware scheme falls back to this one, so it accepts the same designs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kernels.array.design import Design, KernelFunction
from kernels.array.hardware import LIMITS, STACK_ALIGNMENT, WORD_BYTES
from kernels.array.program import Acquire, Call, Core, Held, Local, statements
from kernels.array.tile import Tile
from kernels.array.wiring import Wiring
from kernels.errors import Violation

STACK = "(stack)"
INDEX_BYTES = 4  # a dynamic core stores the number of the next object of each FIFO in a hidden buffer


@dataclass(frozen=True, slots=True)
class Region:
    """A named part of a tile's data memory: ``nbytes`` bytes from ``address`` on."""

    name: str
    address: int
    nbytes: int

    @property
    def end(self) -> int:
        """The address behind the region's last byte."""
        return self.address + self.nbytes


@dataclass(frozen=True, slots=True)
class MemoryMap:
    """The regions of a tile's data memory of ``limit`` bytes, lowest address first, without gaps."""

    tile: Tile
    limit: int
    regions: tuple[Region, ...]

    @property
    def used(self) -> int:
        """The number of bytes that all regions take."""
        return self.regions[-1].end if self.regions else 0

    @property
    def free(self) -> int:
        """The number of bytes left for .data and .rodata; negative if the regions do not fit."""
        return self.limit - self.used

    def text(self) -> str:
        """Return the map as text: a line of name, addresses and bytes for each region, and one with the totals."""
        width = max((len(region.name) for region in self.regions), default=0)
        lines = [
            f"{region.name:{width}} : 0x{region.address:05X}-0x{region.end - 1:05X}  ({region.nbytes:,} bytes)"
            for region in self.regions
        ]
        rest = f"{self.free:,} bytes free" if self.free >= 0 else f"{-self.free:,} bytes too many"
        return "\n".join([*lines, f"{self.used:,} of {self.limit:,} bytes, {rest}"])


def memory_map(design: Design, tile: Tile) -> MemoryMap:
    """Return the memory map of a core or memtile, whether it fits the tile's memory or not."""
    return _map(Wiring(design), tile)


def memory_maps(wiring: Wiring) -> tuple[MemoryMap, ...]:
    """Return the memory maps of all cores and memtiles of a design, in order of tiles."""
    return tuple(_map(wiring, tile) for tile in wiring.design.tiles() if tile.kind != "shim")


def largest(design_of: Callable[[int], Design], upper: int = 1 << 16) -> int:
    """Return the largest size from 1 to ``upper`` whose design fits the memory of every tile; 0 if not even 1 does.

    ``design_of`` builds the design for a size; a larger size must not need less memory.

    >>> largest(lambda frames: design_with_objects_of(400 * frames))
    """
    fits, fails = 0, upper + 1
    while fails - fits > 1:
        middle = (fits + fails) // 2
        if all(memory.free >= 0 for memory in memory_maps(Wiring(design_of(middle)))):
            fits = middle
        else:
            fails = middle
    return fits


def violations(wiring: Wiring) -> Iterator[Violation]:
    """Yield a violation for each memory or stack that is too small, misaligned address, and wrong initial value."""
    maps = {memory.tile: memory for memory in memory_maps(wiring)}
    for memory in maps.values():
        if memory.free < 0:
            yield _overflow(memory)
    for core in wiring.design.cores:
        yield from _stack(wiring.design, core)
        yield from _alignment(wiring, core, maps[core.tile])
    yield from _initial(wiring.design)


def _map(wiring: Wiring, tile: Tile) -> MemoryMap:
    core = next((core for core in wiring.design.cores if core.tile == tile), None)
    address = core.stack_bytes if core is not None else 0
    regions = [Region(STACK, 0, address)] if address else []
    for name, nbytes in sorted(_contents(wiring, tile, core), key=lambda content: -content[1]):
        regions.append(Region(name, address, nbytes))
        address += nbytes
    return MemoryMap(tile, LIMITS[tile.kind].memory_bytes, tuple(regions))


def _contents(wiring: Wiring, tile: Tile, core: Core | None) -> Iterator[tuple[str, int]]:
    """Yield name and bytes of every region of a tile but the stack, in the order of mlir-aie's text."""
    for pool in reversed(wiring.pools(tile)):
        yield from ((name, pool.block.nbytes) for name in pool.objects)
    for buffer in wiring.design.buffers:
        if buffer.tile == tile:
            yield buffer.name, buffer.block.nbytes
    if core is not None and core.dynamic:
        fifos = {statement.fifo for statement in statements(core.body) if isinstance(statement, Acquire)}
        number = [other.tile for other in wiring.design.cores if other.dynamic].index(tile)
        yield f"_anonymous{number}", INDEX_BYTES * len(fifos)


def _overflow(memory: MemoryMap) -> Violation:
    where, limit = f"{memory.tile.kind} {memory.tile}", f"a {memory.tile.kind} has {memory.limit:,}"
    cure = "Make objects or tables smaller, lower a depth or the stack, or spread the work over more tiles"
    return Violation(where, "data memory", f"{memory.used:,} bytes", limit, cure, memory.text())


def _stack(design: Design, core: Core) -> Iterator[Violation]:
    where, found = f"core {core.tile}", f"{core.stack_bytes:,} bytes"
    if core.stack_bytes < STACK_ALIGNMENT or core.stack_bytes % STACK_ALIGNMENT:
        limit = f"it must be a positive multiple of {STACK_ALIGNMENT}"
        yield Violation(where, "stack", found, limit, "Round it up")
    for kernel in _called(design, core):
        if kernel.stack_bytes > core.stack_bytes:
            limit = f"kernel {kernel.name} needs {kernel.stack_bytes:,}, and an overflow overwrites buffers silently"
            yield Violation(where, "stack", found, limit, f"Reserve {kernel.stack_bytes:,} or more")


def _called(design: Design, core: Core) -> list[KernelFunction]:
    names = {statement.kernel for statement in statements(core.body) if isinstance(statement, Call)}
    return [kernel for kernel in design.kernels if kernel.name in names]


def _alignment(wiring: Wiring, core: Core, memory: MemoryMap) -> Iterator[Violation]:
    objects = {end.fifo.name: end.pool.objects for end in wiring.at(core.tile) if end.pool is not None}
    needed = {name: (WORD_BYTES, "the DMA") for names in objects.values() for name in names}
    kernels = {kernel.name: kernel for kernel in wiring.design.kernels}
    for statement in statements(core.body):
        if isinstance(statement, Call):
            kernel = kernels[statement.kernel]
            for name in _pointed(statement, objects):
                needed[name] = max(needed.get(name, (1, "")), (kernel.alignment, f"kernel {kernel.name}"))
    for region in memory.regions:
        multiple, by = needed.get(region.name, (1, ""))
        if region.address % multiple:
            found, limit = f"{region.name} at 0x{region.address:X}", f"{by} needs a multiple of {multiple} bytes"
            cure = f"Pad objects, buffers and the stack to multiples of {multiple} bytes"
            yield Violation(f"core {core.tile}", "alignment", found, limit, cure)


def _pointed(call: Call, objects: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield the names of the memory regions that the pointer arguments of a kernel call may point to."""
    for arg in call.args:
        if isinstance(arg, Local):
            yield arg.buffer
        elif isinstance(arg, Held):
            yield from objects.get(arg.fifo, ())


def _initial(design: Design) -> Iterator[Violation]:
    for buffer in design.buffers:
        value = buffer.initial
        if value is not None and (value.size != buffer.block.elements or value.nbytes != buffer.block.nbytes):
            found = f"an initial value of {value.size} elements, {value.nbytes:,} bytes"
            limit = f"the buffer is {buffer.block}, {buffer.block.nbytes:,} bytes"
            yield Violation(f"buffer {buffer.name}", "initial value", found, limit, "Make the two the same size")
