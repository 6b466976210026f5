"""The simulation of a design: FIFOs of their true depth, DMAs with their true addresses, host-compiled kernels.

Time is not modelled. A route moves words as soon as its source has an object and its targets have free slots; the
result equals the chip's wherever the chip's result does not depend on timing. Not compared with hardware.
"""

from __future__ import annotations

import ctypes
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.array.check import core_programs, structure
from kernels.array.design import Design, KernelFunction
from kernels.array.hardware import WORD_BYTES
from kernels.array.lower.shim_registers import ShimChannel
from kernels.array.lower.stream import channels, tasks
from kernels.array.lower.transaction import decode
from kernels.array.program import Core
from kernels.array.simulate.controller import Controller
from kernels.array.simulate.cores import VIEWS, CoreProcess, HostFunction, Surroundings
from kernels.array.simulate.deadlock import explain, leftovers
from kernels.array.simulate.fifos import Ready, Words, memory
from kernels.array.simulate.network import network
from kernels.array.simulate.shim_dma import ChannelProcess, InputChannel, OutputChannel
from kernels.array.tile import Block, Tile
from kernels.errors import DeadlockError, DesignError, SimulationError
from kernels.host.compile import KERNELS, build

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class LaunchReport:
    """Counts of one simulated launch.

    ``calls`` counts kernel calls by core and name. ``bytes_moved`` and ``queue_peak`` (the most tasks queued at once,
    the running one included) are by shim channel. ``high_water`` is, for each end of each FIFO, the most objects held
    at once since the overlay was loaded.
    """

    calls: dict[Tile, dict[str, int]]
    bytes_moved: dict[ShimChannel, int]
    queue_peak: dict[ShimChannel, int]
    high_water: dict[str, int]

    @property
    def total_calls(self) -> Counter[str]:
        """The numbers of kernel calls of all cores together, by name of the kernel."""
        total: Counter[str] = Counter()
        for calls in self.calls.values():
            total.update(calls)
        return total


class Simulation:
    """A simulated array with a design loaded; memory and core programs keep their state from launch to launch.

    ``kernels`` replaces compiled kernel functions by Python callables, by name: they get numpy arrays of the argument's
    dtype (bf16 as uint16) and ints. ``library`` replaces the compiled library as a whole.

    >>> simulation = Simulation(design)
    >>> report = simulation.run(encode(design, design.sequences[0]), arguments)  # uint8 arrays, outputs included
    >>> report.total_calls

    Raises DesignError for unknown names, impossible links and programs that would crash; SimulationError if the library
    lacks a kernel function; CompileError if the kernels do not compile on the host.
    """

    def __init__(
        self,
        design: Design,
        kernels: Mapping[str, Callable[..., object]] | None = None,
        library: ctypes.CDLL | None = None,
    ) -> None:
        _check(design)
        self.design = design
        self._ready: Ready = deque()
        self._hangs = False
        replaced = dict(kernels or {})
        if library is None and any(kernel.name not in replaced for kernel in design.kernels):
            library = build([KERNELS / source for source in design.sources], design.defines)
        functions = {kernel.name: _function(kernel, replaced, library) for kernel in design.kernels}
        self.network = network(design, self._ready)
        self._channels = self._shim()
        self._controller = Controller(self._channels, self._ready)
        buffers = {buffer.name: _buffer(buffer.block, buffer.initial) for buffer in design.buffers}
        self._cores = [self._core(core, functions, buffers, library) for core in design.cores]

    def run(self, stream: bytes, arguments: Sequence[Bytes]) -> LaunchReport:
        """Run one launch: the instruction stream ``stream`` on ``arguments``; return the counts of the launch.

        ``arguments`` are writable uint8 buffers in launch order; outputs are written in place. Raises StreamError for
        an invalid instruction stream, SimulationError for an action at which the chip would fail, and DeadlockError if
        no process can work before the stream has ended, or if objects or tasks are left after it. After the last two
        errors the overlay hangs, as on the chip: every further launch fails, and the design must be loaded into a new
        Simulation.
        """
        steps = tasks(decode(stream))
        if self._hangs:
            raise SimulationError("The overlay hangs since an earlier launch; load it anew.")
        for core in self._cores:
            core.counts[:] = [0] * len(core.counts)
        self._controller.begin(steps, [*map(_words, arguments)])
        self._hangs = True  # reset if the launch ends
        while self._ready:
            self._ready.popleft().step()
        self._require_done()
        self._hangs = False
        return self._report()

    def _require_done(self) -> None:
        """Raise DeadlockError if work is left although no process can go on."""
        if not self._controller.ended:
            raise explain(self._controller, self._cores, self.network.rings)
        left = leftovers(self._controller, self._cores, self.network.rings)
        if left:
            raise DeadlockError("The instruction stream has ended and something is left over", left)

    def _report(self) -> LaunchReport:
        return LaunchReport(
            calls={core.tile: dict(zip(core.kernels, core.counts, strict=True)) for core in self._cores},
            bytes_moved={where: channel.bytes_moved for where, channel in self._channels.items()},
            queue_peak={where: channel.peak for where, channel in self._channels.items()},
            high_water={ring.name: ring.high_water for rings in self.network.rings.values() for ring in rings},
        )

    def _shim(self) -> dict[ShimChannel, ChannelProcess]:
        result: dict[ShimChannel, ChannelProcess] = {}
        for name, where in channels(self.design).items():
            fifo = self.design.fifo(name)
            if where.direction == "MM2S":
                result[where] = InputChannel(where, self.network.groups(fifo), self._ready)
            else:
                rings = self.network.rings[name, fifo.source]
                result[where] = OutputChannel(where, rings, self.network.orders.get(name), self._ready)
        return result

    def _core(
        self,
        core: Core,
        functions: Mapping[str, HostFunction],
        buffers: Mapping[str, Words],
        library: ctypes.CDLL | None,
    ) -> CoreProcess:
        rings = {}
        for fifo in self.design.fifos:
            if core.tile in fifo.targets:
                rings[fifo.name] = (self.network.rings[fifo.name, core.tile][0], True)
            elif core.tile == fifo.source:
                rings[fifo.name] = (self.network.rings[fifo.name, core.tile][0], False)
        select = getattr(library, "host_select_core", None)
        number = self.design.cores.index(core)
        return CoreProcess(
            core, Surroundings(rings, buffers, functions), partial(select, number) if select else int, self._ready
        )


def _check(design: Design) -> None:
    """Raise DesignError for faults that would crash the simulator; ``kernels.array.check`` finds many more."""
    found = tuple(structure.violations(design)) or tuple(core_programs.violations(design))
    if found:
        raise DesignError(f"Design {design.name} cannot run:", found)


def _function(
    kernel: KernelFunction, replaced: Mapping[str, Callable[..., object]], library: ctypes.CDLL | None
) -> HostFunction:
    """Return a kernel for the simulator: the Python callable of its name in ``replaced``, else the library's function.

    Pointers for the library's function are made once. Raises SimulationError if the library has no such function.
    """
    if kernel.name in replaced:
        return HostFunction(replaced[kernel.name], lambda words, i: _typed(words, kernel.args[i]))
    function = getattr(library, kernel.name, None)
    if function is None:
        raise SimulationError(f"The compiled kernels have no function {kernel.name}.")
    function.restype = None
    return HostFunction(function, lambda words, _: ctypes.c_void_p(words.ctypes.data))


def _typed(words: Words, block: Block | str) -> NDArray[Any]:
    return words.view(VIEWS[block.dtype]) if isinstance(block, Block) else words


def _buffer(block: Block, initial: NDArray[np.generic] | None) -> Words:
    """Return new memory for a tile's buffer: its initial content, or 0xFF bytes if it has none."""
    words = memory(-(-block.nbytes // WORD_BYTES))
    if initial is not None:
        words.view(np.uint8)[: block.nbytes] = np.ascontiguousarray(initial).reshape(-1).view(np.uint8)
    return words


def _words(argument: Bytes) -> Words:
    if argument.dtype != np.uint8 or argument.ndim != 1 or not argument.flags.c_contiguous:
        raise ValueError(f"A launch argument is a flat uint8 buffer, not {argument.dtype}{argument.shape}.")
    return argument[: argument.size // WORD_BYTES * WORD_BYTES].view(np.uint32)
