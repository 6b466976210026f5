"""Check a design against the hardware and the compiler: report all violations at once, or the resources used."""

from __future__ import annotations

from dataclasses import dataclass

from kernels.array import wiring as wirings
from kernels.array.check import (
    core_programs,
    links,
    memory_map,
    object_flow,
    program_memory,
    routing,
    sequences,
    structure,
)
from kernels.array.check.memory_map import MemoryMap, memory_maps
from kernels.array.check.program_memory import ProgramEstimate
from kernels.array.check.routing import Cut
from kernels.array.check.sequences import SequenceUse
from kernels.array.design import Design
from kernels.array.hardware import LIMITS, MEMTILE_CHANNEL_DESCRIPTORS, QUEUED_TASKS, SHIM
from kernels.array.tile import Tile
from kernels.array.wiring import Wiring
from kernels.errors import DesignError


@dataclass(frozen=True, slots=True)
class TileUse:
    """The resources of one tile of the array that a design uses, such as DMA channels, locks and memory.

    ``descriptors`` counts the DMA buffer descriptors of the tile's FIFOs: two numbers for a memtile, for its even and
    its odd channels, and one number elsewhere. A shim's is 0, because each sequence brings its own descriptors
    (``Report.sequences``). ``map`` (data memory) is None for a shim, ``program`` (program memory) for every tile but a
    core.
    """

    tile: Tile
    channels_in: int
    channels_out: int
    descriptors: tuple[int, ...]
    locks: int
    map: MemoryMap | None
    program: ProgramEstimate | None

    @property
    def free_bytes(self) -> int:
        """Bytes of data memory that are left on the tile; 0 for a shim, which has no data memory."""
        return self.map.free if self.map is not None else 0


@dataclass(frozen=True, slots=True)
class Report:
    """The resources of the array that a valid design uses, as returned by ``check``.

    ``cuts`` count the streams that cross lines through the array. ``warnings`` name limits that only the compiler can
    decide.
    """

    design: str
    device: str
    tiles: tuple[TileUse, ...]
    cuts: tuple[Cut, ...]
    sequences: tuple[SequenceUse, ...]
    warnings: tuple[str, ...]

    def tile(self, col: int, row: int) -> TileUse:
        """Return the resources used on the tile at column ``col`` and row ``row``, which the design must use."""
        return next(use for use in self.tiles if use.tile == Tile(col, row))

    def text(self) -> str:
        """Return the report as text: a table of tiles, the fullest memory maps, and a line for each sequence."""
        parts = [f"{self.design} on {self.device}", _table(self.tiles)]
        for kind in ("core", "memtile"):
            maps = [use.map for use in self.tiles if use.map is not None and use.tile.kind == kind]
            if maps:
                fullest = min(maps, key=lambda memory: memory.free)
                parts.append(f"fullest {kind} {fullest.tile}:\n{_indented(fullest.text())}")
        estimates = [(use.tile, use.program) for use in self.tiles if use.program is not None]
        if estimates:
            tile, largest = max(estimates, key=lambda estimate: estimate[1].total_bytes)
            parts.append(f"largest program {tile}: {largest}")
        if self.cuts:
            narrow = max(self.cuts, key=lambda cut: cut.streams / cut.ports)
            parts.append(f"busiest line, {narrow.name}: {narrow.streams} of {narrow.ports} ports (estimate)")
        parts.extend(
            f"sequence {use.name}: {use.tasks} tasks, at most {use.queued} of {QUEUED_TASKS} on a channel and "
            f"{use.descriptors} of {SHIM.descriptors} descriptors on a shim"
            for use in self.sequences
        )
        return "\n".join([*parts, *(f"warning: {warning}" for warning in self.warnings)])


def check(design: Design) -> Report:
    """Return the resources of the array that a design uses, if it breaks no rule.

    >>> report = check(ENTRIES["encoder"].make(["base"]))  # kernels.registry
    >>> print(report.text())

    Raises DesignError with every violation found: of the limits of npu1, of the rules of mlir-aie, and of rules that
    mlir-aie does not report but whose breach would hang the array or return wrong numbers. If the design names FIFOs,
    buffers, kernels or tiles that do not exist, the error lists only those faults.
    """
    found = tuple(structure.violations(design))
    if not found:
        wiring = Wiring(design)
        sequence_uses, sequence_violations = sequences.walk(wiring)
        found = (
            *memory_map.violations(wiring),
            *wirings.violations(wiring),
            *links.violations(design),
            *routing.violations(design),
            *core_programs.violations(design),
            *program_memory.violations(design),
            *sequence_violations,
            *object_flow.violations(design),
        )
    if found:
        number = "1 violation" if len(found) == 1 else f"{len(found)} violations"
        raise DesignError(f"design {design.name} has {number}:", found)
    return _report(wiring, sequence_uses)


def _report(wiring: Wiring, uses: tuple[SequenceUse, ...]) -> Report:
    design = wiring.design
    maps = {memory.tile: memory for memory in memory_maps(wiring)}
    estimates = {core.tile: program_memory.estimate(design, core) for core in design.cores}
    return Report(
        design=design.name,
        device=design.device,
        tiles=tuple(_use(wiring, tile, maps.get(tile), estimates.get(tile)) for tile in design.tiles()),
        cuts=routing.cuts(design),
        sequences=uses,
        warnings=tuple(program_memory.warnings(design)),
    )


def _use(wiring: Wiring, tile: Tile, memory: MemoryMap | None, program: ProgramEstimate | None) -> TileUse:
    ends = wiring.at(tile)
    classes = 2 if tile.kind == "memtile" else 1
    return TileUse(
        tile=tile,
        channels_in=sum(end.direction == "in" for end in ends),
        channels_out=sum(end.direction == "out" for end in ends),
        descriptors=tuple(sum(end.descriptors for end in ends if end.channel % classes == n) for n in range(classes)),
        locks=wiring.locks(tile),
        map=memory,
        program=program,
    )


def _table(tiles: tuple[TileUse, ...]) -> str:
    head = ("tile", "in", "out", "descriptors", "locks", "bytes", "free", "program")
    rows = [head, *map(_row, tiles)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _row(use: TileUse) -> tuple[str, ...]:
    limits = LIMITS[use.tile.kind]
    each = MEMTILE_CHANNEL_DESCRIPTORS if use.tile.kind == "memtile" else limits.descriptors
    return (
        f"{use.tile.kind} {use.tile}",
        f"{use.channels_in}/{limits.channels}",
        f"{use.channels_out}/{limits.channels}",
        " ".join(f"{number}/{each}" for number in use.descriptors),
        f"{use.locks}/{limits.locks}",
        f"{use.map.used:,}" if use.map is not None else "-",
        f"{use.map.free:,}" if use.map is not None else "-",
        f"~{use.program.total_bytes:,}" if use.program is not None else "-",
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
