"""The writer of one core's program as MLIR text: loops, FIFO acquires and releases, and kernel calls."""

from __future__ import annotations

from collections.abc import Iterator

from kernels.array.design import Design, KernelFunction, ObjectFifo
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
from kernels.array.tile import Tile
from kernels.errors import DesignError

ENDLESS = 4_294_967_295


def core_text(design: Design, core: Core) -> list[str]:
    """Return the lines of the MLIR operation ``aie.core`` that holds a core's program.

    Raises DesignError for an object that is used or released without being held.
    """
    return _CoreText(design, core).lines


def tile_name(tile: Tile) -> str:
    """Return the name, without %, of the MLIR value that stands for a tile."""
    return f"tile_{tile.col}_{tile.row}"


def types_of(kernel: KernelFunction) -> str:
    """Return the MLIR argument types of a kernel function, separated by commas."""
    return ", ".join(map(str, kernel.args))


def buffer_name(buffer: str) -> str:
    """Return the name, without %, of the MLIR value that stands for a buffer."""
    return f"buffer_{buffer}"


class _CoreText:
    """A writer of one core's MLIR ``lines``.

    ``held`` has, by FIFO, the MLIR value of the object that the core holds at the current statement.
    """

    def __init__(self, design: Design, core: Core) -> None:
        self.design, self.core = design, core
        self.buffers = {buffer.name: buffer for buffer in design.buffers}
        self.held: dict[str, str] = {}
        self.count = 0
        name = f"{core.tile.col}_{core.tile.row}"
        self.lines = [f"%core_{name} = aie.core(%{tile_name(core.tile)}) {{"]
        self.lines += [f"  %{value} = arith.constant {number} : {kind}" for value, number, kind in self.constants()]
        self.lines.append("  scf.for %pass = %c0 to %endless step %c1 {")
        self.lines += [f"    {line}" for line in self.body(core.body)]
        self.lines += ["  }", "  aie.end"]
        dynamic = ", dynamic_objfifo_lowering = true" if core.dynamic else ""
        self.lines.append(f"}} {{stack_size = {core.stack_bytes} : i32{dynamic}}}")

    def constants(self) -> Iterator[tuple[str, int, str]]:
        """Yield name, number and type of each constant of the program.

        Loop bounds and word numbers are of type index, whole-number arguments of type i32.
        """
        inside = list(statements(self.core.body))
        counts = [loop.count for loop in inside if isinstance(loop, Loop)]
        indices = {0, 1, *(count.index if isinstance(count, BufferWord) else count for count in counts)}
        values = {arg for call in inside if isinstance(call, Call) for arg in call.args if isinstance(arg, int)}
        yield from ((f"c{number}", number, "index") for number in sorted(indices))
        yield "endless", ENDLESS, "index"
        yield from ((_number(number), number, "i32") for number in sorted(values))

    def body(self, body: tuple[Statement, ...]) -> list[str]:
        return [line for statement in body for line in self.statement(statement)]

    def statement(self, statement: Statement) -> list[str]:
        match statement:
            case Acquire(fifo):
                return self.acquire(self.design.fifo(fifo))
            case Release(fifo):
                if self.held.pop(fifo, None) is None:
                    raise DesignError(f"Core {self.core.tile}: {fifo} is released, which is not held there.")
                return [f"aie.objectfifo.release @{fifo}({self.port(self.design.fifo(fifo))}, 1)"]
            case Call():
                return [self.call(statement)]
            case Loop():
                return self.loop(statement)

    def port(self, fifo: ObjectFifo) -> str:
        return "Produce" if fifo.source == self.core.tile else "Consume"

    def acquire(self, fifo: ObjectFifo) -> list[str]:
        self.count += 1
        view, value = f"%view{self.count}_{fifo.name}", f"%object{self.count}_{fifo.name}"
        kind = f"!aie.objectfifosubview<{fifo.block}>"
        self.held[fifo.name] = value
        return [
            f"{view} = aie.objectfifo.acquire @{fifo.name}({self.port(fifo)}, 1) : {kind}",
            f"{value} = aie.objectfifo.subview.access {view}[0] : {kind} -> {fifo.block}",
        ]

    def call(self, call: Call) -> str:
        kernel = self.design.kernel(call.kernel)
        values = ", ".join(self.argument(call, argument) for argument in call.args)
        return f"func.call @{kernel.name}({values}) : ({types_of(kernel)}) -> ()"

    def argument(self, call: Call, argument: Held | Local | Index | int) -> str:
        match argument:
            case Held(fifo):
                if fifo not in self.held:
                    raise DesignError(
                        f"Core {self.core.tile}: {call.kernel} is handed {fifo}, which is not held there."
                    )
                return self.held[fifo]
            case Local(buffer):
                return f"%{buffer_name(buffer)}"
            case Index(loop):
                return f"%{loop}_i32"
            case int():
                return f"%{_number(argument)}"

    def loop(self, loop: Loop) -> list[str]:
        lines, bound = [], f"%c{loop.count}"
        if isinstance(loop.count, BufferWord):
            self.count += 1
            word, bound = f"%word{self.count}", f"%count{self.count}"
            block = self.buffers[loop.count.buffer].block
            lines.append(f"{word} = memref.load %{buffer_name(loop.count.buffer)}[%c{loop.count.index}] : {block}")
            lines.append(f"{bound} = arith.index_cast {word} : i32 to index")
        lines.append(f"scf.for %{loop.name}_index = %c0 to {bound} step %c1 {{")
        inside = statements(loop.body)
        if any(Index(loop.name) in call.args for call in inside if isinstance(call, Call)):
            lines.append(f"  %{loop.name}_i32 = arith.index_cast %{loop.name}_index : index to i32")
        return [*lines, *(f"  {line}" for line in self.body(loop.body)), "}"]


def _number(number: int) -> str:
    return f"minus{-number}_i32" if number < 0 else f"n{number}_i32"
