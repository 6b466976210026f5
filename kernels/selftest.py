"""The self-test of an overlay: one launch on known input, whose whole result the host model knows.

The result is computed, not stored here: by simulating the design with its host-compiled kernels. ``build`` writes it
into the kernel folder; whoever loads the folder launches it on the device and compares every element.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.array.design import Block, Design
from kernels.array.lower.encode import encode
from kernels.array.simulate.simulate import Simulation

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Result:
    """Part of a launch argument that a trial judges: ``elements`` of its dtype from ``offset`` on.

    ``tolerance`` is the largest difference of an element from the host model's, relative to the largest magnitude of
    the part. The kernels' rules are those of the silicon, so 0 is expected; more is allowed where an order of
    summation could differ.
    """

    name: str
    argument: int
    block: Block
    offset: int
    tolerance: float


@dataclass(frozen=True, slots=True)
class Trial:
    """``arguments`` as they are before the launch of ``sequence``, uint8, in launch order; what must be there after."""

    sequence: str
    arguments: tuple[Bytes, ...]
    results: tuple[Result, ...]


def expected(design: Design, trial: Trial) -> tuple[Bytes, ...]:
    """Every argument as the host model leaves it."""
    after = tuple(argument.copy() for argument in trial.arguments)
    sequence = next(sequence for sequence in design.sequences if sequence.name == trial.sequence)
    Simulation(design).run(encode(design, sequence), after)
    return after


def part(result: Result, arguments: tuple[Bytes, ...]) -> Bytes:
    """The bytes that a result judges: a view."""
    item = result.block.nbytes // result.block.elements
    return arguments[result.argument][result.offset * item : (result.offset + result.block.elements) * item]
