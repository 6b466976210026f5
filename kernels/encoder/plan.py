"""The memory plan of one encoder: the place of every matrix in DRAM, and the commands that tell the cores what to do.

The launch arguments (the DRAM buffers of a launch) are ``activations``, ``weights`` and ``commands``; to the DMA all
three are bf16.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels.array.tile import Block
from kernels.command import GELU, AttentionWord, CommandWords, MatmulWord, QuantiseWord, RowsWord
from kernels.encoder.overlay import TABLE
from kernels.encoder.regions import BLOCK, TILE, Matrix, Residual, RowBlocks
from kernels.encoder.shapes import HEAD, Shape
from kernels.encoder.steps import COMMANDS, GROUP, WEIGHTS, Weights

ACTIVATIONS = "activations"
TABLE_OBJECT = BLOCK // 2  # float32 in one object of the bias table
EPSILON = 1e-5  # of Whisper's layer norms (torch's default)
SETS = 3  # sets of rows of the first convolution: frames 2i - 1, 2i and 2i + 1

Parts = tuple[Weights, ...]  # one matrix, cut between column tiles so that each part's bias fits a core's table


@dataclass(frozen=True, slots=True)
class LayerWeights:
    """The places of one layer's four packed weight matrices in the launch argument (DRAM buffer) ``weights``."""

    qkv: Parts
    out: Parts
    up: Parts
    down: Parts

    @property
    def all(self) -> tuple[Parts, Parts, Parts, Parts]:
        """The places of the four matrices in the order in which a layer uses them."""
        return self.qkv, self.out, self.up, self.down


@dataclass(frozen=True, slots=True)
class EncoderPlan:
    """The memory plan of an encoder of ``shape`` on ``columns`` columns, as the function ``plan`` makes it.

    Matrices are regions of the launch arguments. With ``int8`` the layers' products are int8: their input is quantised
    into ``packed`` and ``scales``.
    """

    shape: Shape
    columns: int
    int8: bool
    conv_in: Matrix  # written by the host: SETS x groups of rows, each of three frames of mel
    conv: Matrix
    added: Matrix
    residuals: tuple[Residual, Residual]
    norm: Matrix  # read by the host
    qkv: RowBlocks
    context: Matrix
    hidden: Matrix
    packed: Matrix
    scales: Matrix
    positions: Residual
    conv1: Parts
    conv2: Parts
    layers: tuple[LayerWeights, ...]
    commands: tuple[CommandWords, ...]
    activation_elements: int
    weight_elements: int

    @property
    def arguments(self) -> tuple[tuple[str, Block], ...]:
        """The names and types of the launch arguments, in launch order."""
        return (
            (ACTIVATIONS, Block("bf16", self.activation_elements)),
            (WEIGHTS, Block("bf16", self.weight_elements)),
            (COMMANDS, Block("bf16", len(self.commands) * GROUP)),
        )

    def command(self, words: CommandWords) -> int:
        """Return the index in ``commands`` of the command with these words. Raises ValueError if none has."""
        return self.commands.index(words)


class _Arena:
    """An allocator that reserves consecutive elements of one launch argument (a DRAM buffer)."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, elements: int) -> int:
        """Reserve ``elements`` elements and return the offset of the first."""
        at, self.used = self.used, self.used + elements
        return at

    def matrix(self, groups: int, width: int) -> Matrix:
        """Reserve a matrix of ``groups`` * 256 rows and ``width`` * 64 columns among the activations."""
        return Matrix(ACTIVATIONS, self.take(groups * width * GROUP), groups, width)

    def residual(self, argument: str, groups: int, width: int) -> Residual:
        """Reserve a matrix that is stored as the sum of two bf16 matrices."""
        return Residual(argument, self.take(2 * groups * width * GROUP), groups, width)

    def weights(self, columns: int, wide: int, out: int, *, int8: bool = False) -> Parts:
        """Reserve a weight matrix [wide, out], in as few parts as a core's table of biases allows.

        An int8 matrix has a scale beside each bias.
        """
        tiles, values = -(-out // (TILE * columns)), (2 if int8 else 1) * TILE
        parts = -(-tiles * values // TABLE.elements)
        counts = [tiles // parts + (part < tiles % parts) for part in range(parts)]
        return tuple(self._part(columns, count, wide // ((2 if int8 else 1) * TILE), values) for count in counts)

    def _part(self, columns: int, tiles: int, steps: int, values: int) -> Weights:
        part = Weights(self.used, tiles, steps, table_objects=-(-tiles * values // TABLE_OBJECT))
        self.take(columns * part.per_column)
        return part


def plan(shape: Shape, columns: int = 4, *, int8: bool = False) -> EncoderPlan:
    """Lay out an encoder of ``shape`` for ``columns`` array columns, with its layers' products in bf16 or int8."""
    groups, width, heads = shape.groups, shape.padded_width // TILE, shape.padded_heads
    here, stored = _Arena(), _Arena()
    rows = (here.residual(ACTIVATIONS, groups, width), here.residual(ACTIVATIONS, groups, width))
    positions = stored.residual(WEIGHTS, groups, width)
    conv1 = stored.weights(columns, shape.conv_steps * TILE, shape.padded_width)
    conv2 = stored.weights(columns, SETS * shape.width, shape.padded_width)
    layers = tuple(_layer(stored, shape, columns, int8=int8) for _ in range(shape.layers))
    return EncoderPlan(
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
    """Return the number of blocks of 128 int8 columns that store rows of ``wide`` columns.

    The number is rounded up to whole objects of four blocks.
    """
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
) -> list[CommandWords]:
    """Return the different commands of all ops of a window.

    The layers have equal commands, so ``layer`` stands for all.
    """
    groups = shape.groups
    words = [matmul_words(part, SETS * groups, gelu=True) for part in conv1]
    words += [matmul_words(part, groups, gelu=True) for part in conv2]
    words += [matmul_words(part, groups, gelu=parts is layer.up, int8=int8) for parts in layer.all for part in parts]
    words += [attention_words(shape, columns), rows_words(shape, columns)]
    if int8:
        words += [quantise_words(shape, wide) for wide in (shape.width, shape.padded_heads * HEAD, shape.hidden)]
    return [words[i] for i in range(len(words)) if words[i] not in words[:i]]


def matmul_words(weights: Weights, groups: int, *, gelu: bool = False, int8: bool = False) -> CommandWords:
    """Return the command that tells the cores to multiply ``groups`` groups of 256 rows by ``weights``.

    GELU follows if ``gelu``; ``int8`` is for int8 operands.
    """
    return {
        MatmulWord.ROW_BLOCKS_I8 if int8 else MatmulWord.ROW_BLOCKS: groups,
        MatmulWord.K_BLOCKS: weights.steps,
        MatmulWord.TABLE_OBJECTS: weights.table_objects,
        MatmulWord.COLUMN_TILES: weights.tiles,
        MatmulWord.FLAGS: GELU if gelu else 0,
    }


def attention_words(shape: Shape, columns: int) -> CommandWords:
    """Return the command that tells the cores to run one layer's attention: count by word index."""
    return {
        AttentionWord.QUERY_TILES: shape.groups * shape.padded_heads // columns,
        AttentionWord.KEY_TILES: shape.key_tiles,
        AttentionWord.VALID_KEYS: shape.frames,
    }


def rows_words(shape: Shape, columns: int) -> CommandWords:
    """Return the command that tells the cores to add the residual and apply a layer norm: value by word index."""
    return {
        RowsWord.ROW_BLOCKS: shape.groups,
        RowsWord.COLUMN_GROUPS: shape.padded_width // TILE // columns,
        RowsWord.VALID_COLUMNS: shape.width,
        RowsWord.INVERSE_COLUMNS: 1.0 / shape.width,
        RowsWord.EPSILON: EPSILON,
    }


def quantise_words(shape: Shape, wide: int) -> CommandWords:
    """Return the command that tells the cores to quantise rows of ``wide`` columns to int8: count by word index."""
    return {
        QuantiseWord.ROW_BLOCKS: shape.groups,
        QuantiseWord.COLUMN_BLOCKS: wide // TILE,
        QuantiseWord.PACKED_OBJECTS: packed_width(wide) // 4,
    }
