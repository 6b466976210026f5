"""A design as text for mlir-aie 97962964 (2026-04-23): the AIE dialect, its object FIFOs and its task API.

Syntax: include/aie/Dialect/{AIE,AIEX}/IR/*.td of that commit. A core that acquires in a loop asks for
``dynamic_objfifo_lowering``: a loop whose count is data cannot be unrolled, and a FIFO of depth 2 would hand out the
same object every time.
The same design gives the same text, byte for byte.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from kernels.array.dma import unfolded
from kernels.array.program import (
    Acquire,
    Await,
    Buffer,
    Call,
    Core,
    Design,
    Dim,
    Free,
    Held,
    Index,
    Kernel,
    Link,
    Local,
    Loop,
    ObjectFifo,
    Release,
    Sequence,
    Start,
    Statement,
    Tile,
    Transfer,
    Word,
    statements,
)
from kernels.errors import DesignError

ENDLESS = 4_294_967_295
SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def to_mlir(design: Design) -> str:
    """The module that aiecc compiles: one device, its cores, one runtime sequence for each of the design's.

    Raises DesignError for names that are no symbols and for what the text cannot say; ``check`` finds the rest.
    """
    _check_names(design)
    parts: list[Iterable[str]] = [
        (f"%{_tile(tile)} = aie.tile({tile.col}, {tile.row})" for tile in design.tiles()),
        map(_fifo, design.fifos),
        map(_link, design.links),
        map(_kernel, design.kernels),
        map(_buffer, design.buffers),
    ]
    parts += [_core(design, core) for core in design.cores]
    parts += [_sequence(design, sequence) for sequence in design.sequences]
    body = [line for part in parts for line in part]
    return "\n".join([f"module {{\n  aie.device({design.device}) {{", *(f"    {line}" for line in body), "  }\n}", ""])


def object_file(source: str | Path) -> str:
    """The name that the text links a kernel source by; the build compiles to it."""
    return f"{Path(source).stem}.o"


def _check_names(design: Design) -> None:
    names = [fifo.name for fifo in design.fifos] + [buffer.name for buffer in design.buffers]
    names += [kernel.name for kernel in design.kernels] + [sequence.name for sequence in design.sequences]
    inner = [start.task for sequence in design.sequences for start in sequence.steps if isinstance(start, Start)]
    inner += [name for sequence in design.sequences for name, _ in sequence.arguments]
    inner += [loop.name for core in design.cores for loop in statements(core.body) if isinstance(loop, Loop)]
    bad = [name for name in names + inner if not SYMBOL.fullmatch(name)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    files = [name for name, count in Counter(map(object_file, design.sources)).items() if count > 1]
    if bad or twice or files:
        raise DesignError(
            f"Design {design.name}: not symbols: {bad}; used twice: {twice}; two sources for one object file: {files}."
        )


def _tile(tile: Tile) -> str:
    return f"tile_{tile.col}_{tile.row}"


def _dims(dims: tuple[Dim, ...]) -> str:
    return "[" + ", ".join(f"<size = {dim.size}, stride = {dim.stride}>" for dim in dims) + "]"


def _fifo(fifo: ObjectFifo) -> str:
    order = f" dimensionsToStream {_dims(fifo.to_stream)}" if fifo.to_stream else ""
    targets = ", ".join(f"%{_tile(tile)}" for tile in fifo.targets)
    depths = ", ".join(map(str, fifo.depths))
    return (
        f"aie.objectfifo @{fifo.name}(%{_tile(fifo.source)}{order}, {{{targets}}}, [{depths}])"
        f" : !aie.objectfifo<{fifo.block}>"
    )


def _link(link: Link) -> str:
    many = ", ".join(map(str, link.offsets))
    offsets = f"([{many}] [])" if len(link.sources) > 1 else f"([] [{many}])"
    names = [", ".join(f"@{name}" for name in side) for side in (link.sources, link.targets)]
    return f"aie.objectfifo.link [{names[0]}] -> [{names[1]}] {offsets}"


def _kernel(kernel: Kernel) -> str:
    return (
        f'func.func private @{kernel.name}({_types(kernel)}) attributes {{link_with = "{object_file(kernel.source)}"}}'
    )


def _types(kernel: Kernel) -> str:
    return ", ".join(map(str, kernel.args))


def _buffer(buffer: Buffer) -> str:
    text = f'%{_local(buffer.name)} = aie.buffer(%{_tile(buffer.tile)}) {{sym_name = "{buffer.name}"}} : {buffer.block}'
    if buffer.initial is None:
        return text
    data = buffer.initial.tobytes()
    if len(data) != buffer.block.nbytes:
        raise DesignError(f"Buffer {buffer.name}: {len(data)} bytes of initial values for {buffer.block.nbytes}.")
    return f'{text} = dense<"0x{data.hex().upper()}">'


def _local(buffer: str) -> str:
    return f"buffer_{buffer}"


def _core(design: Design, core: Core) -> list[str]:
    return _CoreText(design, core).lines


class _CoreText:
    """The lines of one core, with the value that each FIFO's held object has at this point."""

    def __init__(self, design: Design, core: Core) -> None:
        self.design, self.core = design, core
        self.buffers = {buffer.name: buffer for buffer in design.buffers}
        self.held: dict[str, str] = {}
        self.count = 0
        name = f"{core.tile.col}_{core.tile.row}"
        self.lines = [f"%core_{name} = aie.core(%{_tile(core.tile)}) {{"]
        self.lines += [f"  %{value} = arith.constant {number} : {kind}" for value, number, kind in self.constants()]
        self.lines.append("  scf.for %pass = %c0 to %endless step %c1 {")
        self.lines += [f"    {line}" for line in self.body(core.body)]
        self.lines += ["  }", "  aie.end"]
        dynamic = ", dynamic_objfifo_lowering = true" if core.dynamic else ""
        self.lines.append(f"}} {{stack_size = {core.stack_bytes} : i32{dynamic}}}")

    def constants(self) -> Iterator[tuple[str, int, str]]:
        """Loop bounds and word numbers as index, whole-number arguments as i32; each once, in order."""
        inside = list(statements(self.core.body))
        counts = [loop.count for loop in inside if isinstance(loop, Loop)]
        indices = {0, 1, *(count.index if isinstance(count, Word) else count for count in counts)}
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
                del self.held[fifo]
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
        return f"func.call @{kernel.name}({values}) : ({_types(kernel)}) -> ()"

    def argument(self, call: Call, argument: Held | Local | Index | int) -> str:
        match argument:
            case Held(fifo):
                if fifo not in self.held:
                    raise DesignError(
                        f"Core {self.core.tile}: {call.kernel} is handed {fifo}, which is not held there."
                    )
                return self.held[fifo]
            case Local(buffer):
                return f"%{_local(buffer)}"
            case Index(loop):
                return f"%{loop}_i32"
            case int():
                return f"%{_number(argument)}"

    def loop(self, loop: Loop) -> list[str]:
        lines, bound = [], f"%c{loop.count}"
        if isinstance(loop.count, Word):
            self.count += 1
            word, bound = f"%word{self.count}", f"%count{self.count}"
            block = self.buffers[loop.count.buffer].block
            lines.append(f"{word} = memref.load %{_local(loop.count.buffer)}[%c{loop.count.index}] : {block}")
            lines.append(f"{bound} = arith.index_cast {word} : i32 to index")
        lines.append(f"scf.for %{loop.name}_index = %c0 to {bound} step %c1 {{")
        inside = statements(loop.body)
        if any(Index(loop.name) in call.args for call in inside if isinstance(call, Call)):
            lines.append(f"  %{loop.name}_i32 = arith.index_cast %{loop.name}_index : index to i32")
        return [*lines, *(f"  {line}" for line in self.body(loop.body)), "}"]


def _number(number: int) -> str:
    return f"minus{-number}_i32" if number < 0 else f"n{number}_i32"


def _sequence(design: Design, sequence: Sequence) -> list[str]:
    arguments = dict(sequence.arguments)
    head = ", ".join(f"%arg_{name}: {block}" for name, block in sequence.arguments)
    lines = [f"aie.runtime_sequence @{sequence.name}({head}) {{"]
    for step in sequence.steps:
        match step:
            case Start():
                task = _unfolded(step)
                bds = [
                    f"aie.dma_bd(%arg_{one.argument} : {arguments[one.argument]}, {_bd(one)})" for one in task.transfers
                ]
                lines += [f"  {line}" for line in _task(task, bds)]
            case Await(name):
                lines.append(f"  aiex.dma_await_task(%task_{name})")
            case Free(name):
                lines.append(f"  aiex.dma_free_task(%task_{name})")
    return [*lines, "}"]


def _unfolded(start: Start) -> Start:
    try:
        return unfolded(start)
    except ValueError as error:
        raise DesignError(str(error)) from None


def _bd(transfer: Transfer) -> str:
    dims = f", {_dims(transfer.dims)}" if transfer.dims else ""
    return f"{transfer.offset}, {transfer.length}{dims}"


def _task(task: Start, bds: list[str]) -> list[str]:
    attributes = ["issue_token = true"] if task.token else []
    attributes += [f"repeat_count = {task.repeat} : i32"] if task.repeat else []
    lines = [f"%task_{task.task} = aiex.dma_configure_task_for @{task.fifo} {{"]
    for number, bd in enumerate(bds):
        lines += [f"^bd{number}:"] if number else []
        last = number == len(bds) - 1
        lines += [f"  {bd}", "  aie.end" if last else f"  aie.next_bd ^bd{number + 1}"]
    lines.append(f"}} {{{', '.join(attributes)}}}" if attributes else "}")
    return [*lines, f"aiex.dma_start_task(%task_{task.task})"]
