"""Check the names, tiles and depths of a design; every other check assumes that they are valid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from kernels.array.design import Design
from kernels.array.hardware import COLUMNS, exists
from kernels.array.program import Acquire, BufferWord, Call, Core, Held, Local, Loop, Release, Statement, statements
from kernels.array.sequence import Start
from kernels.array.tile import SYMBOL
from kernels.errors import Violation


def violations(design: Design) -> Iterator[Violation]:
    """Yield a violation for every wrong name, tile, FIFO end, depth and link of the design."""
    if design.columns not in COLUMNS:
        cure = f"Choose one of {', '.join(map(str, COLUMNS))} columns"
        yield Violation(f"design {design.name}", "columns", f"{design.columns} columns", f"npu1 has {COLUMNS}", cure)
    yield from _symbols(design)
    yield from _unique("core", (str(core.tile) for core in design.cores))
    yield from _tiles(design)
    yield from _ends(design)
    yield from _links(design)
    for core in design.cores:
        yield from _programs(design, core)


def _symbols(design: Design) -> Iterator[Violation]:
    """Yield the faults of names that are not valid MLIR symbols, or are used twice.

    FIFOs, buffers, kernels and sequences share one namespace, and the object files of all kernel sources one folder.
    """
    named = (design.fifos, design.buffers, design.kernels, design.sequences)
    symbols = [part.name for group in named for part in group]
    tasks = [step.task for sequence in design.sequences for step in sequence.steps if isinstance(step, Start)]
    arguments = [name for sequence in design.sequences for name, _ in sequence.arguments]
    loops = [loop.name for core in design.cores for loop in statements(core.body) if isinstance(loop, Loop)]
    for name in dict.fromkeys([*symbols, *tasks, *arguments, *loops]):
        if not SYMBOL.fullmatch(name):
            yield Violation(f"name {name!r}", "names", "not a symbol", "letters, digits and _ make one", "Rename it")
    yield from _unique("symbol", symbols)
    yield from _unique("object file", (f"{source.stem}.o" for source in design.sources))


def _unique(kind: str, names: Iterable[str]) -> Iterator[Violation]:
    for name, times in Counter(names).items():
        if times > 1:
            yield Violation(f"{kind} {name}", "names", f"used {times} times", "once is allowed", "Rename all but one")


def _tiles(design: Design) -> Iterator[Violation]:
    ends = [(f"fifo {fifo.name}", tile) for fifo in design.fifos for tile in (fifo.source, *fifo.targets)]
    cores = [(f"core {core.tile}", core.tile) for core in design.cores]
    buffers = [(f"buffer {buffer.name}", buffer.tile) for buffer in design.buffers]
    for where, tile in (*ends, *cores, *buffers):
        if not exists(tile, design.columns):
            limit = f"{design.device} has columns 0 to {design.columns - 1} and rows 0 to 5"
            yield Violation(where, "tiles", f"tile {tile}", limit, "Name a tile of the partition")
    for core in design.cores:
        if core.tile.kind != "core":
            limit = "programs run in rows 2 to 5"
            yield Violation(f"core {core.tile}", "tiles", f"a program on a {core.tile.kind}", limit, "Move it")
    for buffer in design.buffers:
        if buffer.tile.kind == "shim":
            limit = "a shim has no memory"
            yield Violation(f"buffer {buffer.name}", "tiles", f"on the shim {buffer.tile}", limit, "Move it to a core")


def _ends(design: Design) -> Iterator[Violation]:
    for fifo in design.fifos:
        where = f"fifo {fifo.name}"
        ends = 1 + len(fifo.targets)
        if not fifo.targets or len(set(fifo.targets)) != len(fifo.targets) or fifo.source in fifo.targets:
            limit = "one or more tiles, each once, and not the source"
            yield Violation(
                where, "ends", f"targets {', '.join(map(str, fifo.targets)) or 'none'}", limit, "Correct them"
            )
        if len(fifo.depths) != ends or min(fifo.depths, default=0) < 1:
            limit = f"one depth of 1 or more for each of its {ends} ends"
            yield Violation(
                where, "depths", f"depths {fifo.depths}", limit, "Give the source's depth, then each target's"
            )
        if fifo.block.elements < 1:
            yield Violation(where, "objects", f"{fifo.block}", "an object holds 1 element or more", "Give it a size")


def _links(design: Design) -> Iterator[Violation]:
    names = {fifo.name for fifo in design.fifos}
    for link in design.links:
        where = f"link {' '.join(link.sources)} to {' '.join(link.targets)}"
        if min(len(link.sources), len(link.targets)) != 1:
            found = f"{len(link.sources)} to {len(link.targets)} FIFOs"
            yield Violation(where, "links", found, "one to one, many to one or one to many", "Use two links")
        for name in (*link.sources, *link.targets):
            if name not in names:
                yield _unknown(where, "fifo", name)
    linked = Counter(name for link in design.links for name in (*link.sources, *link.targets))
    for name, times in linked.items():
        if times > 1:
            limit = "a FIFO is in one link at most"
            yield Violation(f"fifo {name}", "links", f"in {times} links", limit, "Give each link FIFOs of its own")


def _programs(design: Design, core: Core) -> Iterator[Violation]:
    known = {
        "fifo": {fifo.name for fifo in design.fifos},
        "buffer": {buffer.name for buffer in design.buffers},
        "kernel": {kernel.name for kernel in design.kernels},
    }
    used = dict.fromkeys(name for statement in statements(core.body) for name in _names(statement))
    for kind, name in used:
        if name not in known[kind]:
            yield _unknown(f"core {core.tile}", kind, name)


def _names(statement: Statement) -> Iterator[tuple[str, str]]:
    """Yield kind ("fifo", "buffer" or "kernel") and name of everything that one statement uses."""
    match statement:
        case Acquire(fifo) | Release(fifo):
            yield "fifo", fifo
        case Loop(_, BufferWord(buffer, _), _):
            yield "buffer", buffer
        case Call(kernel, args):
            yield "kernel", kernel
            for arg in args:
                if isinstance(arg, Held):
                    yield "fifo", arg.fifo
                elif isinstance(arg, Local):
                    yield "buffer", arg.buffer


def _unknown(where: str, kind: str, name: str) -> Violation:
    return Violation(
        where, "names", f"there is no {kind} {name}", f"a {kind} of the design", "Declare it, or correct it"
    )
