"""Builders of small arrays for tests: int32 objects of 16 words, and kernels in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.array.design import Design, KernelFunction, Link, ObjectFifo, TileBuffer
from kernels.array.lower.encode import encode
from kernels.array.program import Acquire, Call, Core, Held, Release, Statement
from kernels.array.sequence import Await, Sequence, Start, Step, Transfer
from kernels.array.simulate.simulate import LaunchReport, Simulation
from kernels.array.tile import Block, Dim, Tile

N = 16
OBJECT = Block("i32", N)
SHIM, MEMTILE = Tile(0, 0), Tile(0, 1)
CORES = tuple(Tile(0, row) for row in range(2, 6))
QUARTERS, LARGE = tuple(quarter * N for quarter in range(4)), Block("i32", 4 * N)  # an object of four
Int32 = NDArray[np.int32]
Kernels = Mapping[str, Callable[..., object]]


def fifo(
    name: str, source: Tile, *targets: Tile, depth: int = 2, block: Block = OBJECT, to_stream: tuple[Dim, ...] = ()
) -> ObjectFifo:
    return ObjectFifo(name, source, targets, block, (depth,) * (1 + len(targets)), to_stream)


def holding(names: tuple[str, ...], *statements: Statement) -> tuple[Statement, ...]:
    """Return statements that acquire an object of each FIFO, run ``statements``, and release the objects."""
    return (*map(Acquire, names), *statements, *map(Release, names))


def calling(kernel: str, *names: str) -> tuple[Statement, ...]:
    """Return statements that acquire an object of each FIFO, call the kernel on them, and release them."""
    return holding(names, Call(kernel, tuple(map(Held, names))))


def core(tile: Tile, *body: Statement) -> Core:
    return Core(tile, body, 1024)


def kernel(name: str, *args: Any) -> KernelFunction:
    return KernelFunction(name, args, "none.cc")


def design(
    fifos: tuple[ObjectFifo, ...],
    cores: tuple[Core, ...] = (),
    kernels: tuple[KernelFunction, ...] = (),
    links: tuple[Link, ...] = (),
    buffers: tuple[TileBuffer, ...] = (),
    columns: int = 1,
) -> Design:
    return Design("small", columns, fifos, links, buffers, kernels, cores, ())


def send(task: str, name: str, argument: str, length: int, offset: int = 0, *dims: Dim, repeat: int = 0) -> Start:
    return Start(task, name, (Transfer(argument, offset, length, dims),), repeat)


def receive(task: str, name: str, argument: str, length: int, offset: int = 0, *dims: Dim, repeat: int = 0) -> Start:
    return replace(send(task, name, argument, length, offset, *dims, repeat=repeat), token=True)


def stream(of: Design, steps: tuple[Step, ...], arrays: Mapping[str, Int32]) -> bytes:
    arguments = tuple((name, Block("i32", array.size)) for name, array in arrays.items())
    sequence = Sequence("steps", arguments, steps)
    return encode(replace(of, sequences=(sequence,)), sequence)


def launch(simulation: Simulation, *steps: Step, **arrays: Int32) -> LaunchReport:
    """Simulate a launch of the steps with the arrays as its arguments; outputs are written in place."""
    data = stream(simulation.design, steps, arrays)
    return simulation.run(data, [array.reshape(-1).view(np.uint8) for array in arrays.values()])


def objects(count: int) -> Int32:
    """Return int32 [count, 16] in which no two words are equal."""
    return np.arange(count * N, dtype=np.int32).reshape(count, N)


def copy(source: Int32, target: Int32) -> None:
    target[:] = source


COPY = (kernel("copy", OBJECT, OBJECT),)
IN_OUT = (fifo("in", SHIM, CORES[0]), fifo("out", CORES[0], SHIM))


def copier(*body: Statement) -> Simulation:
    """Return a simulation of one core between the FIFOs "in" and "out", which copies every object without ``body``."""
    program = core(CORES[0], *(body or calling("copy", "in", "out")))
    return Simulation(design(IN_OUT, (program,), COPY), {"copy": copy})


def through(count: int) -> tuple[Step, ...]:
    """Return the steps that send ``count`` objects of x into the FIFO "in", and as many from "out" to y."""
    return (receive("y", "out", "y", count * N), send("x", "in", "x", count * N), Await("y"))
