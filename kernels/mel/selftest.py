"""The self-test of the mel overlay: the launch of a whole window, whose energies are compared with the host model's."""

from __future__ import annotations

import numpy as np

from kernels.array.tile import Block
from kernels.mel.audio import WINDOW_SAMPLES
from kernels.mel.host import gain, pack
from kernels.mel.overlay import SEQUENCE
from kernels.mel.plan import MelPlan
from kernels.selftest import ResultPart, Trial

TOLERANCE = 2.0**-8  # one rounding to bf16 in the other direction


def trial(n_mels: int, columns: int = 4) -> Trial:
    """Return the self-test of the mel overlay: a window of white noise, and its energies as the result to compare.

    White noise leaves no band so faint that an error could hide in the tolerance.
    """
    plan = MelPlan(n_mels, columns)
    samples = np.random.default_rng(3).uniform(-0.5, 0.5, WINDOW_SAMPLES).astype(np.float32)
    packed = pack(samples, plan, gain(samples))[: plan.input_samples]
    output = np.zeros(plan.output_energies, np.uint16)
    result = ResultPart("energies", 1, Block("bf16", output.size), 0, TOLERANCE)
    return Trial(SEQUENCE, (packed.view(np.uint8), output.view(np.uint8)), (result,))
