"""The self-test of the example: one launch on random rows, with every element of the result compared."""

from __future__ import annotations

import numpy as np

from kernels.example.design import MATRIX, SEQUENCE
from kernels.host.numerics import Rounding, to_bfloat16
from kernels.selftest import ResultPart, Trial


def trial() -> Trial:
    """Return the self-test: random x, zeros for y, and all of y as the result that must be equal to the bit."""
    x = to_bfloat16(np.random.default_rng(1).standard_normal(MATRIX.elements, np.float32), Rounding.CONV_EVEN)
    y = np.zeros(MATRIX.elements, np.uint16)
    return Trial(SEQUENCE.name, (x.view(np.uint8), y.view(np.uint8)), (ResultPart("y", 1, MATRIX, 0, tolerance=0.0),))
