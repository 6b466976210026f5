"""The self-test of the small design."""

from __future__ import annotations

import numpy as np

from kernels.array.design import Block
from kernels.selftest import Result, Trial


def scale_trial() -> Trial:
    """Two objects for every command, doubled."""
    x = np.arange(4_096, dtype=np.int32)
    x[[2, 64 + 16]] = 2
    results = tuple(Result(f"pass{n}", 1, Block("i32", 64), n * 256, 0.0) for n in range(4))
    return Trial("run", (x.view(np.uint8), np.zeros(4 * 8_192, np.uint8)), results)
