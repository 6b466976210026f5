"""The ops that take a window of audio through an encoder, and their division into launches.

The first convolution runs for three sets of rows (frames 2i - 1, 2i and 2i + 1), so that the second, of stride 2, is a
matmul over the three side by side. A row op then adds the positions, and the layers follow. The last result, rows
normalised without gain and bias, is in ``EncoderPlan.norm``: the host applies gain and bias as it unpacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby

from kernels.array.sequence import Sequence
from kernels.encoder.core import Op
from kernels.encoder.plan import (
    SETS,
    EncoderPlan,
    LayerWeights,
    Parts,
    attention_words,
    matmul_words,
    packed_width,
    quantise_words,
    rows_words,
)
from kernels.encoder.regions import TILE, Matrix, Residual, RowBlocks
from kernels.encoder.shapes import HEAD
from kernels.encoder.steps import Steps, Weights

OpStep = tuple[Op, Callable[[Steps], None]]  # an op, and the function that appends its steps
LAYERS_AT_ONCE = 8  # of the largest encoder, some 300 ms modelled: the driver resets a context that seems dead for 2 s


def window(plan: EncoderPlan) -> Sequence:
    """Return the sequence that runs the encoder on a whole window in one launch."""
    return sequence(plan, plan.shape.name, [*convolutions(plan), *layers(plan, range(plan.shape.layers))])


def launches(plan: EncoderPlan, overlays: Mapping[str, frozenset[Op]]) -> list[tuple[str, Sequence]]:
    """Divide a window's ops into launches: pairs of an overlay's name and the sequence to run on it, in order.

    ``overlays`` has the ops of each overlay by name; an op runs on the first overlay that has it. On an overlay for all
    ops a launch holds up to eight layers; otherwise a new launch begins with each change of the overlay.
    """

    def overlay(step: OpStep) -> str:
        return next(name for name, ops in overlays.items() if step[0] in ops)

    result: list[tuple[str, Sequence]] = []
    for first in range(0, plan.shape.layers, LAYERS_AT_ONCE):
        numbers = range(first, min(first + LAYERS_AT_ONCE, plan.shape.layers))
        steps = [*([] if first else convolutions(plan)), *layers(plan, numbers)]
        for name, group in groupby(steps, overlay):
            result.append((name, sequence(plan, f"{plan.shape.name}_{len(result)}", list(group))))
    return result


def sequence(plan: EncoderPlan, name: str, steps: list[OpStep]) -> Sequence:
    """Return the sequence that runs these ops in one launch; hyphens in ``name`` become underscores, as in MLIR."""
    return Sequence(name.replace("-", "_"), plan.arguments, tuple(run(plan, steps).steps))


def run(plan: EncoderPlan, steps: list[OpStep]) -> Steps:
    """Run the functions of these ops on a new ``Steps``, which collects the ops' sequence steps, and return it."""
    collected = Steps(plan.columns)
    for _, step in steps:
        step(collected)
    return collected


def convolutions(plan: EncoderPlan) -> Iterator[OpStep]:
    """Yield the ops of both convolutions, and the row op that adds the positions and applies the first layer norm."""
    groups, each = plan.shape.groups, plan.conv.elements // SETS
    yield from _parts(plan, (plan.conv_in,), plan.conv1, plan.conv, gelu=True)
    sets = tuple(Matrix(plan.conv.argument, plan.conv.offset + i * each, groups, plan.conv.width) for i in range(SETS))
    yield from _parts(plan, sets, plan.conv2, plan.added, gelu=True)
    yield _add(plan, plan.positions, plan.residuals[0])


def layers(plan: EncoderPlan, numbers: range) -> Iterator[OpStep]:
    """Yield the ops of the layers with these numbers.

    Each layer reads its input from ``residuals[0]`` and ``norm`` of the plan, and leaves its result there.
    """
    for number in numbers:
        yield from _layer(plan, plan.layers[number])


def _layer(plan: EncoderPlan, layer: LayerWeights) -> Iterator[OpStep]:
    shape, (here, there) = plan.shape, plan.residuals
    yield from _product(plan, plan.norm, shape.width, layer.qkv, plan.qkv)
    yield _attention(plan)
    yield from _product(plan, plan.context, shape.padded_heads * HEAD, layer.out, plan.added)
    yield _add(plan, here, there)
    yield from _product(plan, plan.norm, shape.width, layer.up, plan.hidden, gelu=True)
    yield from _product(plan, plan.hidden, shape.hidden, layer.down, plan.added)
    yield _add(plan, there, here)


def _product(
    plan: EncoderPlan, source: Matrix, wide: int, parts: Parts, out: Matrix | RowBlocks, *, gelu: bool = False
) -> Iterator[OpStep]:
    """Yield the ops of out = source @ weights; an int8 plan quantises the source first."""
    if plan.int8:
        packed = Matrix(plan.packed.argument, plan.packed.offset, plan.packed.groups, packed_width(wide))
        yield _quantise(plan, source, wide, packed)
        source = packed
    yield from _parts(plan, (source,), parts, out, gelu=gelu, int8=plan.int8)


def _parts(
    plan: EncoderPlan,
    sources: tuple[Matrix, ...],
    parts: Parts,
    out: Matrix | RowBlocks,
    *,
    gelu: bool = False,
    int8: bool = False,
) -> Iterator[OpStep]:
    """Yield one matrix product for each part of the weights; the results are side by side in ``out``."""
    first = 0
    for part in parts:
        yield _matmul(plan, sources, part, out, first, gelu=gelu, int8=int8)
        first += part.tiles * plan.columns


def _quantise(plan: EncoderPlan, source: Matrix, wide: int, packed: Matrix) -> OpStep:
    command = plan.command(quantise_words(plan.shape, wide))
    return "quantise", lambda steps: steps.quantise(command, source, wide // TILE, packed, plan.scales)


def _matmul(
    plan: EncoderPlan,
    sources: tuple[Matrix, ...],
    weights: Weights,
    out: Matrix | RowBlocks,
    first: int = 0,
    *,
    gelu: bool = False,
    int8: bool = False,
) -> OpStep:
    command = plan.command(matmul_words(weights, sources[0].groups, gelu=gelu, int8=int8))
    scales = plan.scales if int8 else None
    op: Op = "matmul_i8" if int8 else "matmul"
    return op, lambda steps: steps.matmul(command, sources, weights, out, first, scales)


def _attention(plan: EncoderPlan) -> OpStep:
    command = plan.command(attention_words(plan.shape, plan.columns))
    heads, tiles = plan.shape.padded_heads, plan.shape.key_tiles
    return "attention", lambda steps: steps.attention(command, plan.qkv, plan.context, heads, tiles)


def _add(plan: EncoderPlan, x: Residual, total: Residual) -> OpStep:
    command = plan.command(rows_words(plan.shape, plan.columns))
    return "rows", lambda steps: steps.rows(command, x, plan.added, total, plan.norm)
