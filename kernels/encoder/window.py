"""A window's way through an encoder, as ops and as launches.

The first convolution runs for three sets of rows (frames 2i - 1, 2i and 2i + 1), so that the second, of stride 2, is a
matmul over the three side by side; a row op adds the positions; then the layers. The last result, the rows normalised
without gain and bias, is left in ``Plan.norm``: the host applies them as it unpacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby

from kernels.array.design import Sequence
from kernels.encoder.core import Op
from kernels.encoder.plan import (
    SETS,
    LayerWeights,
    Parts,
    Plan,
    attention_words,
    matmul_words,
    packed_width,
    quantise_words,
    rows_words,
)
from kernels.encoder.regions import TILE, Matrix, Residual, RowBlocks
from kernels.encoder.shapes import HEAD
from kernels.encoder.steps import Steps, Weights

Step = tuple[Op, Callable[[Steps], None]]
LAYERS_AT_ONCE = 8  # of the largest encoder, some 300 ms modelled: the driver resets a context that seems dead for 2 s


def window(plan: Plan) -> Sequence:
    """A whole window in one launch."""
    return sequence(plan, plan.shape.name, [*convolutions(plan), *layers(plan, range(plan.shape.layers))])


def launches(plan: Plan, overlays: Mapping[str, frozenset[Op]]) -> list[tuple[str, Sequence]]:
    """A window as (overlay, sequence), the overlay the first of ``overlays`` that can do an op.

    With one overlay for all ops, up to eight layers are one launch; otherwise there is a launch for each change.
    """

    def overlay(step: Step) -> str:
        return next(name for name, ops in overlays.items() if step[0] in ops)

    result: list[tuple[str, Sequence]] = []
    for first in range(0, plan.shape.layers, LAYERS_AT_ONCE):
        numbers = range(first, min(first + LAYERS_AT_ONCE, plan.shape.layers))
        steps = [*([] if first else convolutions(plan)), *layers(plan, numbers)]
        for name, some in groupby(steps, overlay):
            result.append((name, sequence(plan, f"{plan.shape.name}_{len(result)}", list(some))))
    return result


def sequence(plan: Plan, name: str, steps: list[Step]) -> Sequence:
    """These ops as one launch; a hyphen is no part of a symbol."""
    return Sequence(name.replace("-", "_"), plan.arguments, tuple(run(plan, steps).steps))


def run(plan: Plan, steps: list[Step]) -> Steps:
    """What ``sequence`` makes a sequence of."""
    collected = Steps(plan.columns)
    for _, step in steps:
        step(collected)
    return collected


def convolutions(plan: Plan) -> Iterator[Step]:
    """Mel to the first residual and its layer norm."""
    groups, each = plan.shape.groups, plan.conv.elements // SETS
    yield from _parts(plan, (plan.conv_in,), plan.conv1, plan.conv, gelu=True)
    sets = tuple(Matrix(plan.conv.argument, plan.conv.offset + i * each, groups, plan.conv.width) for i in range(SETS))
    yield from _parts(plan, sets, plan.conv2, plan.added, gelu=True)
    yield _add(plan, plan.positions, plan.residuals[0])


def layers(plan: Plan, numbers: range) -> Iterator[Step]:
    """Layers one after the other: from ``residuals[0]`` and its layer norm in ``norm`` to the same places."""
    for number in numbers:
        yield from _layer(plan, plan.layers[number])


def _layer(plan: Plan, layer: LayerWeights) -> Iterator[Step]:
    shape, (here, there) = plan.shape, plan.residuals
    yield from _product(plan, plan.norm, shape.width, layer.qkv, plan.qkv)
    yield _attention(plan)
    yield from _product(plan, plan.context, shape.padded_heads * HEAD, layer.out, plan.added)
    yield _add(plan, here, there)
    yield from _product(plan, plan.norm, shape.width, layer.up, plan.hidden, gelu=True)
    yield from _product(plan, plan.hidden, shape.hidden, layer.down, plan.added)
    yield _add(plan, there, here)


def _product(
    plan: Plan, source: Matrix, wide: int, parts: Parts, out: Matrix | RowBlocks, *, gelu: bool = False
) -> Iterator[Step]:
    """out = source @ weights; the source is quantised before, if that is the plan."""
    if plan.int8:
        packed = Matrix(plan.packed.argument, plan.packed.offset, plan.packed.groups, packed_width(wide))
        yield _quantise(plan, source, wide, packed)
        source = packed
    yield from _parts(plan, (source,), parts, out, gelu=gelu, int8=plan.int8)


def _parts(
    plan: Plan,
    sources: tuple[Matrix, ...],
    parts: Parts,
    out: Matrix | RowBlocks,
    *,
    gelu: bool = False,
    int8: bool = False,
) -> Iterator[Step]:
    """Part by part, each beside the last."""
    first = 0
    for part in parts:
        yield _matmul(plan, sources, part, out, first, gelu=gelu, int8=int8)
        first += part.tiles * plan.columns


def _quantise(plan: Plan, source: Matrix, wide: int, packed: Matrix) -> Step:
    command = plan.command(quantise_words(plan.shape, wide))
    return "quantise", lambda steps: steps.quantise(command, source, wide // TILE, packed, plan.scales)


def _matmul(
    plan: Plan,
    sources: tuple[Matrix, ...],
    weights: Weights,
    out: Matrix | RowBlocks,
    first: int = 0,
    *,
    gelu: bool = False,
    int8: bool = False,
) -> Step:
    command = plan.command(matmul_words(weights, sources[0].groups, gelu=gelu, int8=int8))
    scales = plan.scales if int8 else None
    op: Op = "matmul_i8" if int8 else "matmul"
    return op, lambda steps: steps.matmul(command, sources, weights, out, first, scales)


def _attention(plan: Plan) -> Step:
    command = plan.command(attention_words(plan.shape, plan.columns))
    heads, tiles = plan.shape.padded_heads, plan.shape.key_tiles
    return "attention", lambda steps: steps.attention(command, plan.qkv, plan.context, heads, tiles)


def _add(plan: Plan, x: Residual, total: Residual) -> Step:
    command = plan.command(rows_words(plan.shape, plan.columns))
    return "rows", lambda steps: steps.rows(command, x, plan.added, total, plan.norm)
