"""The self-test of an overlay: one launch on known input, whose result is compared with that of the host model.

The host model is the simulated array with kernels compiled for the host; ``expected`` runs it, so the sources store no
expected results. ``kernels.package.folder.build`` writes the expected result into the kernel folder; the runtime that
loads the folder launches the self-test on the device and compares every element.
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
    """A part of a launch argument that the self-test compares: ``block.elements`` elements from element ``offset`` on.

    ``argument`` is the number of the launch argument. ``tolerance`` is the largest allowed difference of an element
    from the host model's, relative to the largest magnitude of the part. The host-compiled kernels follow the rules of
    the silicon, so 0 is expected; a larger tolerance is for an order of summation that could differ.
    """

    name: str
    argument: int
    block: Block
    offset: int
    tolerance: float


@dataclass(frozen=True, slots=True)
class Trial:
    """The input of a self-test and the parts of its output that are compared.

    ``sequence`` names the design's sequence to run; ``arguments`` (uint8, in launch order) are the contents before it
    runs, outputs included; ``results`` are the parts that are compared afterwards.
    """

    sequence: str
    arguments: tuple[Bytes, ...]
    results: tuple[ResultPart, ...]


def expected(design: Design, trial: Trial) -> tuple[Bytes, ...]:
    """Simulate a self-test and return every launch argument as it is afterwards: uint8 arrays in launch order.

    ``trial`` is not changed. Raises as ``Simulation`` does.
    """
    after = tuple(argument.copy() for argument in trial.arguments)
    sequence = next(sequence for sequence in design.sequences if sequence.name == trial.sequence)
    Simulation(design).run(encode(design, sequence), after)
    return after
