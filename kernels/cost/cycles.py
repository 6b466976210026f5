"""Cycles of one call of every kernel of the encoder's overlays, as its own folder counts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from kernels.attention import cycles as attention
from kernels.cost.machine import Assumptions
from kernels.encoder.command import GELU, Field
from kernels.encoder.plan import Words
from kernels.matmul import cycles as matmul
from kernels.rows import cycles as rows
from kernels.schedule import Cycles

Kernels = Callable[[Words], Mapping[str, float]]


def kernels(given: Assumptions) -> Kernels:
    """Cycles by kernel name, under a command: GELU makes an epilogue longer."""
    return partial(_kernels, given)


def between(cycles: Cycles, given: Assumptions) -> float:
    """Cycles of one call under these assumptions."""
    return cycles.best + given.lag * (cycles.nominal - cycles.best)


def _kernels(given: Assumptions, words: Words) -> dict[str, float]:
    gelu = bool(int(words.get(Field.FLAGS, 0)) & GELU)
    every: dict[str, Cycles] = {**matmul.cycles(gelu), **attention.cycles(), **rows.cycles()}
    return {name: between(cycles, given) for name, cycles in every.items()}
