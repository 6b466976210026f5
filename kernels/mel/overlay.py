"""The design of the mel overlay: a column's cores share the bins, the columns share the frames of a window.

    core row 3     bins of the highest bands   \\
    core row 2                                  |  each core gets every object of samples of its column
    core row 1                                  |
    core row 0     bins of the lowest bands    /
    memtile        joins the energies of the four cores
    shim           reads objects of samples, which overlap as frames do; writes the joined energies

One launch computes a whole window.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from kernels.array.design import Design, KernelFunction, Link, ObjectFifo, TileBuffer
from kernels.array.program import Acquire, Call, Core, Held, Local, Release
from kernels.array.sequence import Await, Free, Sequence, Start, Step, Transfer
from kernels.array.tile import Block, Dim, Tile
from kernels.mel.audio import HOP_LENGTH
from kernels.mel.plan import MelPlan
from kernels.mel.shares import CORES, Share, shares
from kernels.mel.tables import FOLDED, POWER, constants

SEQUENCE = "mel"
STACK_BYTES = 2048  # spilled accumulators and vectors; a guess until the compiler has counted it
RUN = HOP_LENGTH  # int16 elements of the inner dimension of a transfer: divides every object and the step between them


def window_overlay(n_mels: int, columns: int = 4) -> Design:
    """Return the design of the overlay that computes the mel energies of a window of 30 s in one launch."""
    return mel_overlay(f"mel_{n_mels}_{columns}col", MelPlan(n_mels, columns))


def mel_overlay(name: str, plan: MelPlan, depth: int = 2) -> Design:
    """Return the design of a mel overlay for ``plan`` with its one sequence, which is a whole launch.

    The FIFOs hold ``depth`` objects on the cores. The sequence's arguments are the samples (int16, host.pack) and the
    energies (bf16, host.energies). An object of many frames may not fit beside the table in a core's memory: ``check``
    refuses such a design.
    """
    places = [
        (Tile(col, row + 2), share) for col in range(plan.columns) for row, share in enumerate(shares(plan.n_mels))
    ]
    return Design(
        name=name,
        columns=plan.columns,
        fifos=tuple(fifo for col in range(plan.columns) for fifo in _fifos(plan, col, depth)),
        links=tuple(_join(plan, col) for col in range(plan.columns)),
        buffers=tuple(buffer for tile, share in places for buffer in _buffers(plan, tile, share)),
        kernels=(_kernel(plan),),
        cores=tuple(_core(plan, tile) for tile, _ in places),
        sequences=(_sequence(plan),),
    )


def _samples(plan: MelPlan) -> Block:
    return Block("i16", plan.object_samples)


def _energies(plan: MelPlan) -> Block:
    return Block("bf16", plan.core_energies)


def _fifos(plan: MelPlan, col: int, depth: int) -> Iterator[ObjectFifo]:
    shim, memtile = Tile(col, 0), Tile(col, 1)
    cores = tuple(Tile(col, row + 2) for row in range(CORES))
    yield ObjectFifo(f"samples{col}", shim, cores, _samples(plan), (depth,) * (CORES + 1))
    for row, tile in enumerate(cores):
        yield ObjectFifo(f"part{col}{row}", tile, (memtile,), _energies(plan), (depth, 2))
    yield ObjectFifo(f"energies{col}", memtile, (shim,), Block("bf16", plan.object_energies), (2, 2))


def _join(plan: MelPlan, col: int) -> Link:
    parts = tuple(f"part{col}{row}" for row in range(CORES))
    return Link(parts, (f"energies{col}",), tuple(row * plan.core_energies for row in range(CORES)))


def _blocks(plan: MelPlan) -> dict[str, Block]:
    """Return the type of each buffer in a core's memory, by name, in the order of the kernel's arguments."""
    table, weights, spans = constants(shares(plan.n_mels)[0], plan)
    return {
        "table": Block("i16", table.size),
        "weights": Block("bf16", weights.size),
        "spans": Block("i32", spans.size),
        "folded": Block("i16", FOLDED),
        "power": Block("bf16", POWER),
    }


def _buffers(plan: MelPlan, tile: Tile, share: Share) -> Iterator[TileBuffer]:
    table, weights, spans = constants(share, plan)
    initial: dict[str, NDArray[Any]] = {"table": table, "weights": weights, "spans": spans}
    for name, block in _blocks(plan).items():
        yield TileBuffer(f"{name}{tile.col}{tile.row - 2}", tile, block, initial.get(name))


def _kernel(plan: MelPlan) -> KernelFunction:
    return KernelFunction(
        "mel_frames", (_samples(plan), *_blocks(plan).values(), _energies(plan), "i32", "i32"), "mel/mel.cc"
    )


def _core(plan: MelPlan, tile: Tile) -> Core:
    col, row = tile.col, tile.row - 2
    samples, part = f"samples{col}", f"part{col}{row}"
    kept = tuple(Local(f"{name}{col}{row}") for name in _blocks(plan))
    call = Call("mel_frames", (Held(samples), *kept, Held(part), plan.per_object, plan.band_groups))
    body = (Acquire(samples), Acquire(part), call, Release(samples), Release(part))
    return Core(tile, body, STACK_BYTES)


def _sequence(plan: MelPlan) -> Sequence:
    arguments = (("samples", Block("i16", plan.input_samples)), ("energies", Block("bf16", plan.output_energies)))
    columns = range(plan.columns)
    steps: list[Step] = []
    for col in columns:
        out = Transfer("energies", col * plan.column_energies, plan.column_energies)
        steps.append(Start(f"out{col}", f"energies{col}", (out,), token=True))
        steps.append(Start(f"in{col}", f"samples{col}", (_overlapping(plan, col),)))
    steps += [Await(f"out{col}") for col in columns]
    steps += [Free(f"in{col}") for col in columns]
    return Sequence(SEQUENCE, arguments, tuple(steps))


def _overlapping(plan: MelPlan, col: int) -> Transfer:
    """Return the transfer that reads a column's objects of samples: overlapping runs of the launch argument."""
    dims = (Dim(plan.objects, plan.object_hop), Dim(plan.object_samples // RUN, RUN), Dim(RUN, 1))
    return Transfer("samples", col * plan.objects * plan.object_hop, plan.objects * plan.object_samples, dims)
