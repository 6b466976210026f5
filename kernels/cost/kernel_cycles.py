"""The modelled cycles of one call of each kernel of the encoder's overlays, collected from the kernels' folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from kernels.attention import cycles as attention
from kernels.command import GELU, CommandWords, MatmulWord
from kernels.cost.assumptions import Assumptions
from kernels.matmul import cycles as matmul
from kernels.rows import cycles as rows
from kernels.schedule import Cycles

KernelCycles = Callable[[CommandWords], Mapping[str, float]]  # by name of the kernel, under a command


def kernel_cycles(given: Assumptions) -> KernelCycles:
    """Return a function that maps an op's command (its sizes and flags) to the cycles of one call of each kernel.

    The cycles are by name of the kernel. The command matters because GELU makes the end of a matmul longer.
    """
    return partial(_kernel_cycles, given)


def between(cycles: Cycles, given: Assumptions) -> float:
    """Return the cycles of one call under these assumptions: between best (``lag`` 0) and nominal (1), or beyond."""
    return cycles.best + given.lag * (cycles.nominal - cycles.best)


def _kernel_cycles(given: Assumptions, words: CommandWords) -> dict[str, float]:
    gelu = bool(int(words.get(MatmulWord.FLAGS, 0)) & GELU)
    every: dict[str, Cycles] = {**matmul.cycles(gelu), **attention.cycles(), **rows.cycles()}
    return {name: between(cycles, given) for name, cycles in every.items()}
