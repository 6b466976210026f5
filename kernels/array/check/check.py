"""Hold a design against the hardware and the compiler: every violation at once, or a report of what it uses."""

from __future__ import annotations

from dataclasses import dataclass

from kernels.array import wiring as channels
from kernels.array.check import core_programs as programs
from kernels.array.check import links, program_memory, routing, sequences, structure
from kernels.array.check import memory_map as memory
from kernels.array.check import object_flow as flow
from kernels.array.check.memory_map import MemoryMap, memory_maps
from kernels.array.check.program_memory import ProgramEstimate
from kernels.array.check.routing import Cut
from kernels.array.check.sequences import SequenceUse
from kernels.array.design import Design, Tile
from kernels.array.hardware import LIMITS, MEMTILE_CHANNEL_DESCRIPTORS, QUEUED_TASKS, SHIM
from kernels.array.wiring import Wiring
from kernels.errors import DesignError


@dataclass(frozen=True, slots=True)
class TileUse:
    """What one tile gives: DMA channels, descriptors of its FIFOs (a shim's come with sequences), locks, memory.

    ``descriptors`` of a memtile are those on its even and on its odd channels; elsewhere there is one number.
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
        return self.map.free if self.map is not None else 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a design that passed uses. ``warnings`` are what only the compiler can decide."""

    design: str
    device: str
    tiles: tuple[TileUse, ...]
    cuts: tuple[Cut, ...]
    sequences: tuple[SequenceUse, ...]
    warnings: tuple[str, ...]

    def tile(self, col: int, row: int) -> TileUse:
        """The tile at column ``col`` and row ``row``."""
        return next(one for one in self.tiles if one.tile == Tile(col, row))

    def text(self) -> str:
        """The report as lines of text: a table of tiles, the map of the fullest of each kind, then sequences."""
        parts = [f"{self.design} on {self.device}", _table(self.tiles)]
        for kind in ("core", "memtile"):
            maps = [one.map for one in self.tiles if one.map is not None and one.tile.kind == kind]
            if maps:
                fullest = min(maps, key=lambda one: one.free)
                parts.append(f"fullest {kind} {fullest.tile}:\n{_indented(fullest.text())}")
        programs_ = [(one.tile, one.program) for one in self.tiles if one.program is not None]
        if programs_:
            tile, largest = max(programs_, key=lambda one: one[1].total_bytes)
            parts.append(f"largest program {tile}: {largest}")
        if self.cuts:
            narrow = max(self.cuts, key=lambda cut: cut.streams / cut.ports)
            parts.append(f"busiest line, {narrow.name}: {narrow.streams} of {narrow.ports} ports (estimate)")
        parts.extend(
            f"sequence {one.name}: {one.tasks} tasks, at most {one.queued} of {QUEUED_TASKS} on a channel and "
            f"{one.descriptors} of {SHIM.descriptors} descriptors on a shim"
            for one in self.sequences
        )
        return "\n".join([*parts, *(f"warning: {warning}" for warning in self.warnings)])


def check(design: Design) -> Report:
    """What the design uses of the array.

    Raises DesignError that holds every violation found: of limits of npu1, of rules of mlir-aie, and of those that
    mlir-aie does not report but that would hang the array or return wrong numbers. Where names or tiles do not exist,
    only those are listed.
    """
    found = tuple(structure.violations(design))
    if not found:
        wiring = Wiring(design)
        uses, of_sequences = sequences.walk(wiring)
        found = (
            *memory.violations(wiring),
            *channels.violations(wiring),
            *links.violations(design),
            *routing.violations(design),
            *programs.violations(design),
            *program_memory.violations(design),
            *of_sequences,
            *flow.violations(design),
        )
    if found:
        one = "1 violation" if len(found) == 1 else f"{len(found)} violations"
        raise DesignError(f"design {design.name} has {one}:", found)
    return _report(wiring, uses)


def _report(wiring: Wiring, uses: tuple[SequenceUse, ...]) -> Report:
    design = wiring.design
    maps = {one.tile: one for one in memory_maps(wiring)}
    estimates = {core.tile: program_memory.estimate(design, core) for core in design.cores}
    return Report(
        design=design.name,
        device=design.device,
        tiles=tuple(_use(wiring, tile, maps.get(tile), estimates.get(tile)) for tile in design.tiles()),
        cuts=routing.cuts(design),
        sequences=uses,
        warnings=tuple(program_memory.warnings(design)),
    )


def _use(wiring: Wiring, tile: Tile, of_tile: MemoryMap | None, program: ProgramEstimate | None) -> TileUse:
    own = wiring.at(tile)
    classes = 2 if tile.kind == "memtile" else 1
    return TileUse(
        tile=tile,
        channels_in=sum(end.direction == "in" for end in own),
        channels_out=sum(end.direction == "out" for end in own),
        descriptors=tuple(sum(e.descriptors for e in own if e.channel % classes == n) for n in range(classes)),
        locks=wiring.locks(tile),
        map=of_tile,
        program=program,
    )


def _table(tiles: tuple[TileUse, ...]) -> str:
    head = ("tile", "in", "out", "descriptors", "locks", "bytes", "free", "program")
    rows = [head, *(_row(one) for one in tiles)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _row(one: TileUse) -> tuple[str, ...]:
    limits = LIMITS[one.tile.kind]
    each = MEMTILE_CHANNEL_DESCRIPTORS if one.tile.kind == "memtile" else limits.descriptors
    return (
        f"{one.tile.kind} {one.tile}",
        f"{one.channels_in}/{limits.channels}",
        f"{one.channels_out}/{limits.channels}",
        " ".join(f"{number}/{each}" for number in one.descriptors),
        f"{one.locks}/{limits.locks}",
        f"{one.map.used:,}" if one.map is not None else "-",
        f"{one.map.free:,}" if one.map is not None else "-",
        f"~{one.program.total_bytes:,}" if one.program is not None else "-",
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
