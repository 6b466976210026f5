"""The packing of an encoder's weights, commands and mel into launch arguments, and the unpacking of its result."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kernels.command import command
from kernels.encoder.plan import SETS, EncoderPlan
from kernels.encoder.regions import BLOCK, ROWS, TILE, Matrix, Residual
from kernels.encoder.steps import GROUP, Weights
from kernels.encoder.weights import EncoderLayer, EncoderWeights, Float32, Linear, Norm, by_head, by_tap
from kernels.matmul.blocks import (
    activation_blocks,
    activation_matrix,
    from_bf16,
    quantise_columns,
    to_bf16,
    weight_blocks,
    weight_blocks_i8,
)

Bits = NDArray[np.uint16]  # bf16


def pack_weights(plan: EncoderPlan, encoder: EncoderWeights) -> Bits:
    """Return the launch argument ``weights`` of an encoder, uint16 bits of bf16 [plan.weight_elements].

    Gains and biases of the layer norms are folded into the products that follow them.
    """
    arena = np.zeros(plan.weight_elements, np.uint16)
    store_residual(arena, plan.positions, encoder.positions)
    bias = encoder.conv1.bias[:, None]
    hi = from_bf16(to_bf16(bias))
    first = Linear(np.hstack([by_tap(encoder.conv1), hi, bias - hi]), np.zeros(plan.shape.width, np.float32))
    second = Linear(by_tap(encoder.conv2), encoder.conv2.bias)
    products = [(_pack, plan.conv1, first), (_pack, plan.conv2, second)]
    for packed, layer in zip(plan.layers, encoder.layers, strict=True):
        matrices = zip(packed.all, _matrices(plan, layer), strict=True)
        products += [(_pack_i8 if plan.int8 else _pack, parts, linear) for parts, linear in matrices]
    for pack, parts, linear in products:
        weight, row = linear.weight, 0
        for place in parts:
            end = row + place.tiles * plan.columns * TILE
            blocks = pack(Linear(weight[row:end], linear.bias[row:end]), place, plan.columns)
            arena[place.offset : place.offset + blocks.size] = blocks.reshape(-1)
            row = end
    return arena


def _matrices(plan: EncoderPlan, layer: EncoderLayer) -> tuple[Linear, Linear, Linear, Linear]:
    """Return a layer's four matrices in the order of ``plan.layers[i].all``, with the layer norms folded in."""
    qkv = by_head(layer.qkv.after(layer.attention_norm), plan.shape)
    return qkv, layer.out, layer.up.after(layer.ffn_norm), layer.down


def _pack(linear: Linear, place: Weights, columns: int) -> Bits:
    """Pack a matrix in bf16 for each array column: a table of biases, then the blocks of its column tiles.

    The result is uint16 [columns, table and tiles * steps blocks]; column tile t of array column c is column block t *
    columns + c of the matrix.
    """
    weight, bias = _padded(linear, place.steps * TILE, place.tiles * columns * TILE)
    tables = bias.reshape(place.tiles, columns, TILE).transpose(1, 0, 2)
    return _columns(tables, weight_blocks(weight), place)


def _pack_i8(linear: Linear, place: Weights, columns: int) -> Bits:
    """Pack a matrix as ``_pack`` does, but in int8, with the scales of each column tile in front of its bias."""
    weight, bias = _padded(linear, 2 * place.steps * TILE, place.tiles * columns * TILE)
    values, scales = quantise_columns(weight)
    tables = np.stack([part.reshape(place.tiles, columns, TILE) for part in (scales, bias)], axis=2)
    return _columns(tables.transpose(1, 0, 2, 3), weight_blocks_i8(values).view(np.uint16), place)


def _columns(tables: Float32, blocks: Bits, place: Weights) -> Bits:
    """Return, for each array column, its tables followed by its blocks: uint16 [columns, elements].

    ``tables`` is [columns, ...], ``blocks`` [steps, tiles * columns, block].
    """
    columns = len(tables)
    sorted_blocks = blocks.reshape(place.steps, place.tiles, columns, BLOCK).transpose(2, 1, 0, 3)
    values = np.ascontiguousarray(tables).reshape(columns, -1).view(np.uint16)
    table = np.zeros((columns, place.table_objects * BLOCK), np.uint16)
    table[:, : values.shape[1]] = values
    return np.hstack([table, sorted_blocks.reshape(columns, -1)])


def _padded(linear: Linear, wide: int, out: int) -> tuple[Float32, Float32]:
    """Return the transposed weight, float32 [wide, out], and the bias, float32 [out], both padded with zeros."""
    weight, bias = np.zeros((wide, out), np.float32), np.zeros(out, np.float32)
    rows, columns = linear.shape
    weight[:columns, :rows] = linear.weight.T
    bias[:rows] = linear.bias
    return weight, bias


def pack_commands(plan: EncoderPlan) -> Bits:
    """Return the launch argument ``commands``: each of the plan's commands four times, once for each core row.

    The result is uint16 [len(plan.commands) * 4 * 4096]; a command fills a block of 4,096 elements.
    """
    blocks = [command(words, 2 * BLOCK).view(np.uint16) for words in plan.commands]
    return np.repeat(np.stack(blocks), ROWS, axis=0).reshape(-1)


def pack_mel(plan: EncoderPlan, mel: Float32, activations: Bits) -> None:
    """Write a window's features, float32 [n_mels, 2 * frames], to the region of ``activations`` that conv1 reads.

    The first convolution is a matrix product over three sets of rows, for frames 2i - 1, 2i and 2i + 1. A row has the
    features under each tap of the convolution, and two ones for the bias. The frame before the first is a row of zeros,
    which the first convolution turns into the zero that the second one pads with.
    """
    shape = plan.shape
    padded = np.pad(mel.T, ((1, 1), (0, 0)))
    taps = np.hstack([padded[:-2], padded[1:-1], padded[2:], np.ones((len(mel.T), 2), np.float32)])
    rows = np.zeros((SETS, shape.groups * ROWS * TILE, shape.conv_steps * TILE), np.float32)
    rows[0, 1 : shape.frames, : taps.shape[1]] = taps[1:-1:2]
    rows[1, : shape.frames, : taps.shape[1]] = taps[0::2]
    rows[2, : shape.frames, : taps.shape[1]] = taps[1::2]
    store(activations, plan.conv_in, rows.reshape(-1, rows.shape[-1]))


def unpack(plan: EncoderPlan, activations: Bits, norm: Norm) -> Float32:
    """Return the encoder's result in ``activations``, float32 [frames, d], after the last norm's gain and bias."""
    shape = plan.shape
    return load(activations, plan.norm)[: shape.frames, : shape.width] * norm.gain + norm.bias


def store(arena: Bits, place: Matrix, matrix: Float32) -> None:
    """Write a matrix, float32 [rows, columns], as bf16 blocks to its region ``place``, padded with zeros."""
    padded = np.zeros((place.groups * ROWS * TILE, place.width * TILE), np.float32)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    blocks = activation_blocks(padded).reshape(place.groups, ROWS, place.width, BLOCK)
    arena[place.offset : place.offset + place.elements] = blocks.transpose(0, 2, 1, 3).reshape(-1)


def load(arena: Bits, place: Matrix) -> Float32:
    """Return the matrix in the region ``place`` of ``arena``: float32 [groups * 256, width * 64], with padding."""
    blocks = arena[place.offset : place.offset + place.elements].reshape(place.groups, place.width, ROWS, BLOCK)
    return activation_matrix(blocks.transpose(0, 2, 1, 3).reshape(-1, place.width, BLOCK))


def store_residual(arena: Bits, place: Residual, matrix: Float32) -> None:
    """Write a matrix, float32 [rows, columns], as a pair of bf16 matrices to the region ``place``.

    The high half is the nearest bf16, the low half the bf16 nearest to the rest; both are padded with zeros.
    """
    hi = from_bf16(to_bf16(matrix))
    each = place.groups * place.width * GROUP
    planes = np.zeros((2, each), np.uint16)
    for plane, values in enumerate((hi, matrix - hi)):
        store(planes[plane], Matrix(place.argument, 0, place.groups, place.width), values)
    pairs = planes.reshape(2, place.groups, place.width, GROUP).transpose(1, 2, 0, 3)
    arena[place.offset : place.offset + place.elements] = pairs.reshape(-1)


def load_residual(arena: Bits, place: Residual) -> Float32:
    """Return the sum of both halves of the matrix in the region ``place``: float32 [groups * 256, width * 64]."""
    pairs = arena[place.offset : place.offset + place.elements].reshape(place.groups, place.width, 2, GROUP)
    planes = np.ascontiguousarray(pairs.transpose(2, 0, 1, 3)).reshape(2, -1)
    whole = Matrix(place.argument, 0, place.groups, place.width)
    return load(planes[0], whole) + load(planes[1], whole)
