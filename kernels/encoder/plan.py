"""One encoder on the overlay: where everything lies in the launch arguments, and which commands it needs.

Launch arguments: ``activations``, ``weights``, ``commands``, all bf16 to the DMA.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels.array.design import Block
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


Parts = tuple[Weights, ...]  # one matrix, cut between column tiles so that each part's table fits


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """The packed matrices of one layer."""

    qkv: Parts
    out: Parts
    up: Parts
    down: Parts

    @property
    def all(self) -> tuple[Parts, Parts, Parts, Parts]:
        return self.qkv, self.out, self.up, self.down


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything's place for ``shape`` on ``columns`` columns; see ``plan``.

    With ``int8`` the layers' products take int8: ``packed`` and ``scales`` are where their input is quantised to.
    """

    shape: Shape
    columns: int
    int8: bool
    conv_in: Matrix  # host writes: SETS x groups of rows of three frames of mel
    conv: Matrix
    added: Matrix
    residuals: tuple[Residual, Residual]
    norm: Matrix  # host reads
    qkv: RowBlocks
    context: Matrix
    hidden: Matrix
    packed: Matrix
    scales: Matrix
    positions: Residual
    conv1: Parts
    conv2: Parts
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

    def weights(self, columns: int, wide: int, out: int, *, int8: bool = False) -> Parts:
        """[wide, out] in as few parts as the table allows: int8 wants a scale beside each bias."""
        tiles, values = -(-out // (TILE * columns)), (2 if int8 else 1) * TILE
        parts = -(-tiles * values // TABLE_VALUES)
        counts = [tiles // parts + (part < tiles % parts) for part in range(parts)]
        return tuple(self._part(columns, count, wide // ((2 if int8 else 1) * TILE), values) for count in counts)

    def _part(self, columns: int, tiles: int, steps: int, values: int) -> Weights:
        part = Weights(self.used, tiles, steps, table_objects=-(-tiles * values // TABLE_OBJECT))
        self.take(columns * part.per_column)
        return part


def plan(shape: Shape, columns: int = 4, *, int8: bool = False) -> Plan:
    """Lay out ``shape`` for an overlay of ``columns`` columns, its layers' products in bf16 or int8."""
    groups, width, heads = shape.groups, shape.padded_width // TILE, shape.padded_heads
    here, stored = _Arena(), _Arena()
    rows = (here.residual(ACTIVATIONS, groups, width), here.residual(ACTIVATIONS, groups, width))
    positions = stored.residual(WEIGHTS, groups, width)
    conv1 = stored.weights(columns, shape.conv_steps * TILE, shape.padded_width)
    conv2 = stored.weights(columns, SETS * shape.width, shape.padded_width)
    layers = tuple(_layer(stored, shape, columns, int8=int8) for _ in range(shape.layers))
    return Plan(
        shape=shape,
        columns=columns,
        int8=int8,
        conv_in=here.matrix(SETS * groups, shape.conv_steps),
        conv=here.matrix(SETS * groups, width),
        added=here.matrix(groups, width),
        residuals=rows,
        norm=here.matrix(groups, width),
        qkv=RowBlocks(ACTIVATIONS, here.take(3 * heads * groups * GROUP), groups, 3 * heads),
        context=here.matrix(groups, heads),
        hidden=here.matrix(groups, shape.hidden // TILE),
        packed=here.matrix(groups, packed_width(shape.hidden) if int8 else 0),
        scales=here.matrix(groups, columns if int8 else 0),
        positions=positions,
        conv1=conv1,
        conv2=conv2,
        layers=layers,
        commands=tuple(_commands(shape, columns, conv1, conv2, layers[0], int8=int8)),
        activation_elements=here.used,
        weight_elements=stored.used,
    )


def packed_width(wide: int) -> int:
    """Blocks of 128 columns that int8 rows of ``wide`` columns take: an object holds four of them."""
    return 4 * -(-wide // (8 * TILE))


def _layer(stored: _Arena, shape: Shape, columns: int, *, int8: bool) -> LayerWeights:
    width, heads = shape.width, shape.padded_heads * HEAD
    return LayerWeights(
        qkv=stored.weights(columns, width, 3 * heads, int8=int8),
        out=stored.weights(columns, heads, shape.padded_width, int8=int8),
        up=stored.weights(columns, width, shape.hidden, int8=int8),
        down=stored.weights(columns, shape.hidden, shape.padded_width, int8=int8),
    )


def _commands(
    shape: Shape, columns: int, conv1: Parts, conv2: Parts, layer: LayerWeights, *, int8: bool
) -> list[Words]:
    """Each command once; all layers have the same."""
    groups = shape.groups
    words = [matmul_words(part, SETS * groups, gelu=True) for part in conv1]
    words += [matmul_words(part, groups, gelu=True) for part in conv2]
    words += [matmul_words(part, groups, gelu=parts is layer.up, int8=int8) for parts in layer.all for part in parts]
    words += [attention_words(shape, columns), rows_words(shape, columns)]
    if int8:
        words += [quantise_words(shape, wide) for wide in (shape.width, shape.padded_heads * HEAD, shape.hidden)]
    return [words[i] for i in range(len(words)) if words[i] not in words[:i]]


def matmul_words(weights: Weights, groups: int, *, gelu: bool = False, int8: bool = False) -> Words:
    return {
        Field.MATMUL_I8 if int8 else Field.MATMUL: groups,
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


def quantise_words(shape: Shape, wide: int) -> Words:
    return {Field.QUANTISE: shape.groups, Field.STEPS: wide // TILE, Field.TILES: packed_width(wide) // 4}
