"""The writer of a design as text for mlir-aie 97962964 (2026-04-23): the AIE dialect, its object FIFOs, its task API.

The syntax is that of include/aie/Dialect/{AIE,AIEX}/IR/*.td of that commit. A core with a loop asks for
``dynamic_objfifo_lowering``: a loop whose count is data cannot be unrolled, and a FIFO of depth 2 would give the core
one and the same object every time. Equal designs give equal texts, byte for byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from kernels.array.design import Design, KernelFunction, Link, ObjectFifo, TileBuffer
from kernels.array.lower.mlir_core import buffer_name, core_text, tile_name, types_of
from kernels.array.pattern import unfolded
from kernels.array.program import Loop, statements
from kernels.array.sequence import Await, Free, Sequence, Start, Transfer
from kernels.array.tile import SYMBOL, Block, Dim
from kernels.errors import DesignError


def to_mlir(design: Design) -> str:
    """Return the MLIR text of a design for aiecc: one device with its cores, and a runtime sequence for each sequence.

    Raises DesignError for names that are no symbols, and for tasks and core programs that the text cannot express;
    ``check`` finds every other fault.
    """
    _check_names(design)
    parts: list[Iterable[str]] = [
        (f"%{tile_name(tile)} = aie.tile({tile.col}, {tile.row})" for tile in design.tiles()),
        map(_fifo, design.fifos),
        map(_link, design.links),
        map(_kernel, design.kernels),
        map(_buffer, design.buffers),
    ]
    parts += [core_text(design, core) for core in design.cores]
    parts += [_sequence(design, sequence) for sequence in design.sequences]
    body = [line for part in parts for line in part]
    return "\n".join([f"module {{\n  aie.device({design.device}) {{", *(f"    {line}" for line in body), "  }\n}", ""])


def object_file(source: str | Path) -> str:
    """Return the name of the object file that a kernel source is compiled to, and that the MLIR text links."""
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


def _dims(dims: tuple[Dim, ...]) -> str:
    return "[" + ", ".join(f"<size = {dim.size}, stride = {dim.stride}>" for dim in dims) + "]"


def _fifo(fifo: ObjectFifo) -> str:
    order = f" dimensionsToStream {_dims(fifo.to_stream)}" if fifo.to_stream else ""
    targets = ", ".join(f"%{tile_name(tile)}" for tile in fifo.targets)
    depths = ", ".join(map(str, fifo.depths))
    return (
        f"aie.objectfifo @{fifo.name}(%{tile_name(fifo.source)}{order}, {{{targets}}}, [{depths}])"
        f" : !aie.objectfifo<{fifo.block}>"
    )


def _link(link: Link) -> str:
    many = ", ".join(map(str, link.offsets))
    offsets = f"([{many}] [])" if len(link.sources) > 1 else f"([] [{many}])"
    names = [", ".join(f"@{name}" for name in side) for side in (link.sources, link.targets)]
    return f"aie.objectfifo.link [{names[0]}] -> [{names[1]}] {offsets}"


def _kernel(kernel: KernelFunction) -> str:
    linked = f'attributes {{link_with = "{object_file(kernel.source)}"}}'
    return f"func.func private @{kernel.name}({types_of(kernel)}) {linked}"


def _buffer(buffer: TileBuffer) -> str:
    made = f'aie.buffer(%{tile_name(buffer.tile)}) {{sym_name = "{buffer.name}"}}'
    text = f"%{buffer_name(buffer.name)} = {made} : {buffer.block}"
    if buffer.initial is None:
        return text
    data = buffer.initial.tobytes()
    if len(data) != buffer.block.nbytes:
        raise DesignError(f"Buffer {buffer.name}: {len(data)} bytes of initial values for {buffer.block.nbytes}.")
    return f'{text} = dense<"0x{data.hex().upper()}">'


def _sequence(design: Design, sequence: Sequence) -> list[str]:
    arguments = dict(sequence.arguments)
    head = ", ".join(f"%arg_{name}: {block}" for name, block in sequence.arguments)
    lines = [f"aie.runtime_sequence @{sequence.name}({head}) {{"]
    for step in sequence.steps:
        match step:
            case Start():
                task = _unfolded(step)
                bds = [_bd(transfer, arguments[transfer.argument]) for transfer in task.transfers]
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


def _bd(transfer: Transfer, argument: Block) -> str:
    dims = f", {_dims(transfer.dims)}" if transfer.dims else ""
    return f"aie.dma_bd(%arg_{transfer.argument} : {argument}, {transfer.offset}, {transfer.length}{dims})"


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
