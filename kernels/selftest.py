"""The self-test of an overlay: one launch on known input, whose whole result the host model computes.

The expected result is not stored in the sources: ``expected`` computes it by simulating the design with its
host-compiled kernels. ``kernels.package.folder.build`` writes it into the kernel folder; the runtime that loads the
folder launches the self-test on the device and compares every element.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.array.design import Design
from kernels.array.lower.encode import encode
from kernels.array.simulate.simulate import Simulation
from kernels.array.tile import Block

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ResultPart:
    """A part of a launch argument that the self-test compares: ``block`` of it, from element ``offset`` on.

    ``tolerance`` is the largest allowed difference of an element from the host model's, relative to the largest
    magnitude of the part. The host-compiled kernels follow the rules of the silicon, so 0 is expected; a larger
    tolerance is for an order of summation that could differ.
    """

    name: str
    argument: int
    block: Block
    offset: int
    tolerance: float


@dataclass(frozen=True, slots=True)
class Trial:
    """The launch of a self-test: ``arguments`` (uint8, in launch order) before ``sequence`` runs on them.

    ``results`` are the parts that are compared after it.
    """

    sequence: str
    arguments: tuple[Bytes, ...]
    results: tuple[ResultPart, ...]


def expected(design: Design, trial: Trial) -> tuple[Bytes, ...]:
    """Return every argument as the launch leaves it, by the host model. Raises as ``Simulation`` does."""
    after = tuple(argument.copy() for argument in trial.arguments)
    sequence = next(sequence for sequence in design.sequences if sequence.name == trial.sequence)
    Simulation(design).run(encode(design, sequence), after)
    return after
