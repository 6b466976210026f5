"""Check that the program of a core can run: FIFO objects are acquired before use, and arguments have the right types.

Programs have loops and no branches, because mlir-aie silently drops acquires inside branches. A loop may run 0 times,
so a core must hold the same objects after a loop as before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from kernels.array.design import Design, KernelFunction, ObjectFifo, TileBuffer
from kernels.array.program import (
    Acquire,
    BufferWord,
    Call,
    Core,
    Held,
    Index,
    Local,
    Loop,
    Release,
    Statement,
    statements,
)
from kernels.array.tile import Block
from kernels.errors import Violation

I32 = range(-(1 << 31), 1 << 31)


def violations(design: Design) -> Iterator[Violation]:
    """Yield the faults of core programs that would not compile, would hang, or would work on the wrong data."""
    for core in design.cores:
        program = _Program(design, core)
        yield from program.body(core.body, set(), ())
        yield from program.ends()
    programmed = {core.tile for core in design.cores}
    for fifo in design.fifos:
        for tile in (fifo.source, *fifo.targets):
            if tile.kind == "core" and tile not in programmed:
                limit = "a program must fill or empty it"
                cure = "Give the core a program, or the FIFO another end"
                yield Violation(f"fifo {fifo.name}", "ends", f"core {tile} has no program", limit, cure)


class _Program:
    """A checker for the program of one core; it holds the design's FIFOs, buffers and kernels by name."""

    def __init__(self, design: Design, core: Core) -> None:
        self.core = core
        self.where = f"core {core.tile}"
        self.fifos: dict[str, ObjectFifo] = {fifo.name: fifo for fifo in design.fifos}
        self.buffers: dict[str, TileBuffer] = {buffer.name: buffer for buffer in design.buffers}
        self.kernels: dict[str, KernelFunction] = {kernel.name: kernel for kernel in design.kernels}

    def body(self, body: tuple[Statement, ...], held: set[str], loops: tuple[str, ...]) -> Iterator[Violation]:
        """Yield the faults of one pass over a body of statements.

        ``held`` names the FIFOs whose object the core holds at the start; a pass that ends with other FIFOs held is a
        fault, and ``held`` is restored. ``loops`` are the names of the enclosing loops, outermost first.
        """
        before = set(held)
        for statement in body:
            match statement:
                case Acquire(fifo):
                    yield from self._acquire(fifo, held)
                    held.add(fifo)
                case Release(fifo):
                    if fifo not in held:
                        yield self._broken("release", f"{fifo} is not held", "acquire comes first", "Acquire it before")
                    held.discard(fifo)
                case Call(kernel, args):
                    yield from self._call(self.kernels[kernel], args, held, loops)
                case Loop(name, count, inner):
                    yield from self._loop(name, count, loops)
                    yield from self.body(inner, held, (*loops, name))
        place = f"loop {loops[-1]}" if loops else "the program"
        for fifo in sorted(held ^ before):
            found = f"{place} {'keeps' if fifo in held else 'gives away'} an object of {fifo} on each pass"
            yield self._broken("balance", found, "a pass gives back what it takes", "Acquire and release in one body")
        held.clear()
        held.update(before)

    def ends(self) -> Iterator[Violation]:
        """Yield a fault for each FIFO on the core's tile that the program never acquires, so that the FIFO stops."""
        used = {statement.fifo for statement in statements(self.core.body) if isinstance(statement, Acquire)}
        for fifo in self.fifos.values():
            if self.core.tile in (fifo.source, *fifo.targets) and fifo.name not in used:
                limit = "it would fill up and stop, or never send"
                yield self._broken("ends", f"{fifo.name} is never acquired", limit, "Use it, or remove its end here")

    def _acquire(self, fifo: str, held: set[str]) -> Iterator[Violation]:
        described = self.fifos[fifo]
        if self.core.tile not in (described.source, *described.targets):
            found, limit = f"{fifo} does not end here", f"it joins {described.source} and {described.targets}"
            yield self._broken("acquire", found, limit, "Name a FIFO of this tile")
        if fifo in held:
            yield self._broken("acquire", f"{fifo} is held already", "one object at a time", "Release it before")

    def _loop(self, name: str, count: int | BufferWord, loops: tuple[str, ...]) -> Iterator[Violation]:
        if name in loops:
            yield self._broken("loops", f"loop {name} inside loop {name}", "names say which is meant", "Rename one")
        if isinstance(count, int):
            if count < 0 or count not in I32:
                yield self._broken("loops", f"loop {name} of {count} passes", "0 or more", "Correct the count")
            return
        buffer = self.buffers[count.buffer]
        if buffer.tile != self.core.tile or buffer.block.dtype != "i32" or not 0 <= count.index < buffer.block.elements:
            found = f"loop {name} reads word {count.index} of {buffer.name} {buffer.block} on {buffer.tile}"
            yield self._broken("loops", found, "a word of an i32 buffer of this tile", "Point it at one")

    def _call(
        self,
        kernel: KernelFunction,
        args: tuple[Held | Local | Index | int, ...],
        held: set[str],
        loops: tuple[str, ...],
    ) -> Iterator[Violation]:
        if len(args) != len(kernel.args):
            found, limit = f"{kernel.name} with {len(args)} arguments", f"it takes {len(kernel.args)}"
            yield self._broken("arguments", found, limit, "Correct the call")
            return
        for i, (arg, wanted) in enumerate(zip(args, kernel.args, strict=True)):
            if isinstance(arg, Held) and arg.fifo not in held:
                found = f"{kernel.name} works on {arg.fifo}, which is not held"
                yield self._broken("arguments", found, "an object is there between acquire and release", "Acquire it")
            if isinstance(arg, Index) and arg.loop not in loops:
                found, limit = f"{kernel.name} takes the pass of {arg.loop}", f"it runs in loops {loops or 'none'}"
                yield self._broken("arguments", found, limit, "Call it inside that loop")
            if isinstance(arg, Local) and self.buffers[arg.buffer].tile != self.core.tile:
                found = f"{arg.buffer} is on {self.buffers[arg.buffer].tile}"
                yield self._broken("arguments", found, "a core works on its own buffers", "Move or copy the buffer")
            if not self._fits(arg, wanted):
                found, limit = f"argument {i} of {kernel.name} is {self._type(arg)}", f"it takes {wanted}"
                yield self._broken("arguments", found, limit, "Make the types the same")

    def _fits(self, arg: Held | Local | Index | int, wanted: Block | str) -> bool:
        return self._type(arg) == wanted and (not isinstance(arg, int) or arg in I32)

    def _type(self, arg: Held | Local | Index | int) -> Block | str:
        match arg:
            case Held(fifo):
                return self.fifos[fifo].block
            case Local(buffer):
                return self.buffers[buffer].block
            case _:
                return "i32"

    def _broken(self, name: str, found: str, limit: str, cure: str) -> Violation:
        return Violation(self.where, name, found, limit, cure)
