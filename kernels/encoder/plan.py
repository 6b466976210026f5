"""One encoder on the overlay: where everything lies in the launch arguments, and which commands it needs.

Launch arguments: ``activations``, ``weights``, ``commands``, all bf16 to the DMA.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kernels.array.program import Block
from kernels.encoder.command import GELU, Field
from kernels.encoder.regions import BLOCK, TILE, Matrix, Residual, RowBlocks
from kernels.encoder.shapes import HEAD, Shape
from kernels.encoder.steps import COMMANDS, GROUP, WEIGHTS, Weights

ACTIVATIONS = "activations"
TABLE_VALUES = 1024  # float32 of the bias table: what one command may have of output columns on one core column
TABLE_OBJECT = BLOCK // 2  # float32 in one object
EPSILON = 1e-5  # of Whisper's layer norms (torch's default)
SETS = 3  # rows of the first convolution at 2i - 1, 2i, 2i + 1

Words = dict[Field, int | float]


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """The packed matrices of one layer; ``up`` is cut into parts whose biases fit the table."""

    qkv: Weights
    out: Weights
    up: tuple[Weights, ...]
    down: Weights


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything's place for ``shape`` on ``columns`` columns; see ``plan``."""

    shape: Shape
    columns: int
    conv_in: Matrix  # host writes: SETS x groups of rows of three frames of mel
    conv: Matrix
    added: Matrix
    residuals: tuple[Residual, Residual]
    norm: Matrix  # host reads
    qkv: RowBlocks
    context: Matrix
    hidden: Matrix
    positions: Residual
    conv1: Weights
    conv2: Weights
    layers: tuple[LayerWeights, ...]
    commands: tuple[Words, ...]
    activation_elements: int
    weight_elements: int

    @property
    def arguments(self) -> tuple[tuple[str, Block], ...]:
        """Names and blocks of the launch arguments, in order."""
        return (
            (ACTIVATIONS, Block("bf16", self.activation_elements)),
            (WEIGHTS, Block("bf16", self.weight_elements)),
            (COMMANDS, Block("bf16", len(self.commands) * GROUP)),
        )

    def command(self, words: Words) -> int:
        """The number of a command of this plan."""
        return self.commands.index(words)


class _Arena:
    """Hands out consecutive elements."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, elements: int) -> int:
        at, self.used = self.used, self.used + elements
        return at

    def matrix(self, groups: int, width: int) -> Matrix:
        return Matrix(ACTIVATIONS, self.take(groups * width * GROUP), groups, width)

    def residual(self, argument: str, groups: int, width: int) -> Residual:
        return Residual(argument, self.take(2 * groups * width * GROUP), groups, width)

    def weights(self, columns: int, out: int, steps: int) -> Weights:
        tiles = -(-out // (TILE * columns))
        packed = Weights(self.used, tiles, steps, table_objects=-(-tiles * TILE // TABLE_OBJECT))
        self.take(columns * packed.per_column)
        return packed


def plan(shape: Shape, columns: int = 4) -> Plan:
    """Lay out ``shape`` for an overlay of ``columns`` columns."""
    groups, width = shape.groups, shape.padded_width // TILE
    here, stored = _Arena(), _Arena()
    rows = (here.residual(ACTIVATIONS, groups, width), here.residual(ACTIVATIONS, groups, width))
    conv_in = here.matrix(SETS * groups, shape.conv_steps)
    conv = here.matrix(SETS * groups, width)
    qkv = RowBlocks(ACTIVATIONS, here.take(3 * shape.padded_heads * groups * GROUP), groups, 3 * shape.padded_heads)
    positions = stored.residual(WEIGHTS, groups, width)
    conv1 = stored.weights(columns, shape.padded_width, shape.conv_steps)
    conv2 = stored.weights(columns, shape.padded_width, SETS * shape.width // TILE)
    layers = tuple(_layer(stored, shape, columns) for _ in range(shape.layers))
    matmuls = [(conv1, SETS, True), (conv2, 1, True)]
    matmuls += [
        (packed, 1, packed in layer.up) for layer in layers for packed in (layer.qkv, layer.out, *layer.up, layer.down)
    ]
    words = [matmul_words(packed, sets * groups, gelu=gelu) for packed, sets, gelu in matmuls]
    words += [attention_words(shape, columns), rows_words(shape, columns)]
    return Plan(
        shape=shape,
        columns=columns,
        conv_in=conv_in,
        conv=conv,
        added=here.matrix(groups, width),
        residuals=rows,
        norm=here.matrix(groups, width),
        qkv=qkv,
        context=here.matrix(groups, shape.padded_heads),
        hidden=here.matrix(groups, shape.hidden // TILE),
        positions=positions,
        conv1=conv1,
        conv2=conv2,
        layers=layers,
        commands=tuple(words[i] for i in range(len(words)) if words[i] not in words[:i]),
        activation_elements=here.used,
        weight_elements=stored.used,
    )


def _layer(stored: _Arena, shape: Shape, columns: int) -> LayerWeights:
    steps, heads = shape.width // TILE, shape.padded_heads
    parts = math.ceil(shape.hidden / (TABLE_VALUES * columns))
    return LayerWeights(
        qkv=stored.weights(columns, 3 * heads * HEAD, steps),
        out=stored.weights(columns, shape.padded_width, heads),
        up=tuple(stored.weights(columns, shape.hidden // parts, steps) for _ in range(parts)),
        down=stored.weights(columns, shape.padded_width, shape.hidden // TILE),
    )


def matmul_words(weights: Weights, groups: int, *, gelu: bool = False) -> Words:
    return {
        Field.MATMUL: groups,
        Field.STEPS: weights.steps,
        Field.TABLE_OBJECTS: weights.table_objects,
        Field.TILES: weights.tiles,
        Field.FLAGS: GELU if gelu else 0,
    }


def attention_words(shape: Shape, columns: int) -> Words:
    return {
        Field.ATTENTION: shape.groups * shape.padded_heads // columns,
        Field.STEPS: shape.key_tiles,
        Field.TILES: shape.frames,
    }


def rows_words(shape: Shape, columns: int) -> Words:
    return {
        Field.ROWS: shape.groups,
        Field.STEPS: shape.padded_width // TILE // columns,
        Field.TILES: shape.width,
        Field.SCALE: 1.0 / shape.width,
        Field.EPSILON: EPSILON,
    }
