"""The self-test of the encoder's overlays: a launch of one layer of a small encoder, with the ops that the overlay has.

Weights and activations are random, and the last key tile has masked keys. Every region is filled before the launch, so
that an op has input even if another overlay would compute it.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from kernels.array.sequence import Sequence
from kernels.array.tile import Block
from kernels.encoder.core import Op
from kernels.encoder.pack import pack_commands, pack_weights, store
from kernels.encoder.plan import ACTIVATIONS, EncoderPlan, plan
from kernels.encoder.regions import ROWS, TILE, Matrix
from kernels.encoder.shapes import Shape
from kernels.encoder.steps import GROUP
from kernels.encoder.weights import random_encoder
from kernels.encoder.window_ops import layers, sequence
from kernels.selftest import Bytes, ResultPart, Trial

NAME = "selftest"
SHAPE = Shape(NAME, width=256, heads=4, layers=1, frames=250)
TOLERANCE = 2.0**-6  # two roundings to bf16 in the other direction


def trial_sequence(ops: Collection[Op], columns: int) -> Sequence:
    """Return the self-test's launch: the ops of one layer that are among ``ops``, the ops of the overlay."""
    known = frozenset(ops)
    placed = plan(SHAPE, columns, int8="matmul_i8" in known)
    return sequence(placed, NAME, [step for step in layers(placed, range(1)) if step[0] in known])


def trial(ops: Collection[Op], columns: int) -> Trial:
    """Return the self-test of an overlay with these ops: the input of ``trial_sequence``, and the results compared."""
    placed = plan(SHAPE, columns, int8="matmul_i8" in ops)
    written: dict[Op, tuple[str, ...]] = {
        "matmul": ("added", "hidden"),
        "matmul_i8": ("added", "hidden"),
        "attention": ("context",),
        "rows": ("norm",),
    }
    names = dict.fromkeys(name for op in ops for name in written.get(op, ()))
    results = tuple(_result(placed, name) for name in names)
    return Trial(NAME, _arguments(placed), results)


def _arguments(placed: EncoderPlan) -> tuple[Bytes, ...]:
    rng = np.random.default_rng(1)
    everything = Matrix(ACTIVATIONS, 0, 1, placed.activation_elements // GROUP)
    activations = np.zeros(everything.elements, np.uint16)
    store(activations, everything, 0.25 * rng.standard_normal((ROWS * TILE, everything.width * TILE), np.float32))
    weights = pack_weights(placed, random_encoder(SHAPE, seed=2))
    return activations.view(np.uint8), weights.view(np.uint8), pack_commands(placed).view(np.uint8)


def _result(placed: EncoderPlan, name: str) -> ResultPart:
    matrix: Matrix = getattr(placed, name)
    return ResultPart(name, 0, Block("bf16", matrix.elements), matrix.offset, TOLERANCE)
