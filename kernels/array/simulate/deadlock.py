"""The explanation of a deadlock on the simulated array: a list of who waits for whom when no process can work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kernels.array.simulate.controller import Controller
from kernels.array.simulate.cores import CoreProcess
from kernels.array.simulate.fifos import Process, Ring, Route
from kernels.array.simulate.shim_dma import ChannelProcess
from kernels.array.tile import Tile
from kernels.errors import DeadlockError

Rings = Mapping[tuple[str, Tile], Sequence[Ring]]


def explain(controller: Controller, cores: Sequence[CoreProcess], rings: Rings) -> DeadlockError:
    """Return the error for a launch that stops before its instruction stream has ended; it lists who waits for whom."""
    waits = _waits(rings)
    lines = []
    awaited = controller.waits_for
    if awaited is not None:
        lines.append(f"step {controller.at} of the instruction stream waits for a token of {_state(awaited)}")
    stuck = (process for process in (*controller.channels.values(), *cores) if process in waits)
    lines.extend(f"{_state(process)}: waits for {_need(process, waits)}" for process in stuck)
    circle = _circle(waits)
    if circle:
        lines.append("in a circle: " + " -> ".join(circle))
    return DeadlockError("Deadlock: nothing can move", tuple(lines))


def leftovers(controller: Controller, cores: Iterable[CoreProcess], rings: Rings) -> tuple[str, ...]:
    """Return a line for each piece of work left after the stream's end: queued tasks, objects in FIFOs, busy cores.

    An output that was not awaited counts: the simulator has finished it, but a launch on the chip may end before it.
    """
    channels = controller.channels.values()
    lines = [_state(channel) for channel in channels if channel.queue or channel.begun]
    lines.extend(f"{channel}: nobody awaits the task of step {step}" for step, channel in controller.unknown)
    full = (ring for ring in _distinct(rings) if ring.full)
    lines.extend(f"{ring.name}: {ring.full} of {ring.depth} objects full, not taken" for ring in full)
    lines.extend(f"{_state(core)}" for core in cores if not core.resting)
    return tuple(lines)


def _waits(rings: Rings) -> dict[Process, tuple[Ring, bool]]:
    """Return, for every process that waits, the ring that it waits for, and True if it waits for a full slot of it."""
    waits: dict[Process, tuple[Ring, bool]] = {}
    for ring in _distinct(rings):
        if ring.reader_waits and ring.reader is not None:
            waits[ring.reader] = (ring, True)
        if ring.writer_waits and ring.writer is not None:
            waits[ring.writer] = (ring, False)
    return waits


def _distinct(rings: Rings) -> list[Ring]:
    return list({id(ring): ring for end in rings.values() for ring in end}.values())


def _need(process: Process, waits: Mapping[Process, tuple[Ring, bool]]) -> str:
    ring, full = waits[process]
    other = _blamed(process, waits)
    if full:
        return f"an object of {ring.name} (0 of {ring.depth} full) from {_state(other)}"
    return f"room in {ring.name} (0 of {ring.depth} free), which is emptied by {_state(other)}"


def _blamed(process: Process, waits: Mapping[Process, tuple[Ring, bool]]) -> Process | None:
    """Return the core or channel that ``process`` waits for, directly or through routes, which only pass objects on."""
    seen: set[int] = set()
    while process in waits and id(process) not in seen:
        seen.add(id(process))
        ring, full = waits[process]
        other = ring.writer if full else ring.reader
        if not isinstance(other, Route):
            return other
        process = other
    return process


def _circle(waits: Mapping[Process, tuple[Ring, bool]]) -> list[str]:
    """Return the names of cores and channels that wait for each other in a circle, the first one repeated at the end.

    The list is empty if there is no circle.
    """
    for start in waits:
        path: list[Process] = []
        process: Process | None = start
        while process is not None and process in waits and process not in path:
            path.append(process)
            process = _blamed(process, waits)
        if process is not None and process in path:
            circle = [*path[path.index(process) :], process]
            return [member.name for member in circle]
    return []


def _state(process: Process | None) -> str:
    """Return text that names a process and its place in its own work."""
    if isinstance(process, CoreProcess):
        return f"{process.name} at {process.where}"
    if isinstance(process, ChannelProcess):
        return f"{process.name} ({process.where})"
    return "nobody" if process is None else process.name
