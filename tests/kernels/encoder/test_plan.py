"""Regions do not overlap, every size passes the checks of the hardware, and every launch is bounded."""

from __future__ import annotations

import pytest

from kernels.array.check.check import check
from kernels.command import MatmulWord
from kernels.encoder.overlay import ENCODER_OPS, overlay
from kernels.encoder.plan import EncoderPlan, plan
from kernels.encoder.regions import Matrix, Residual, RowBlocks, transfer
from kernels.encoder.shapes import SHAPES
from kernels.encoder.window_ops import launches, window
from kernels.errors import DesignError
from kernels.registry import CHOICES

REGIONS = ("conv_in", "conv", "added", "norm", "qkv", "context", "hidden", "packed", "scales")


@pytest.mark.parametrize("columns", [1, 2, 4])
@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_regions_do_not_overlap(name: str, int8: bool, columns: int) -> None:
    placed = plan(SHAPES[name], columns, int8=int8)
    assert _tiled(_regions(placed, "activations"), placed.activation_elements)
    assert _tiled(_regions(placed, "weights"), placed.weight_elements)


def _regions(placed: EncoderPlan, argument: str) -> list[tuple[int, int]]:
    values = [getattr(placed, name) for name in REGIONS]
    values += [*placed.residuals, placed.positions]
    regions = [
        (value.offset, value.elements)
        for value in values
        if isinstance(value, Matrix | Residual | RowBlocks) and value.argument == argument and value.elements
    ]
    if argument == "weights":
        matrices = [*placed.conv1, *placed.conv2]
        for layer in placed.layers:
            matrices += [part for parts in layer.all for part in parts]
        regions += [(matrix.offset, placed.columns * matrix.per_column) for matrix in matrices]
    return sorted(regions)


def _tiled(regions: list[tuple[int, int]], size: int) -> bool:
    """Return whether the regions follow each other without a gap from 0 to ``size``."""
    ends = [offset + elements for offset, elements in regions]
    return [offset for offset, _ in regions] == [0, *ends[:-1]] and ends[-1] == size


@pytest.mark.parametrize("name", SHAPES)
def test_a_whole_window_passes_every_check(name: str) -> None:
    placed = plan(SHAPES[name])
    report = check(overlay("encoder", ENCODER_OPS, (window(placed),)))
    assert report.tile(0, 2).free_bytes >= 0


@pytest.mark.parametrize("name", ["base", "large-v3"])
def test_launches_are_few_on_one_overlay(name: str) -> None:
    shape = SHAPES[name]
    placed = plan(shape)
    fused = launches(placed, CHOICES[False][0])
    assert len(fused) == -(-shape.layers // 8)
    whole = [step for _, sequence in fused for step in sequence.steps]
    assert len(whole) == len(window(placed).steps)
    separate = launches(placed, CHOICES[False][1])
    assert {name for name, _ in separate} == {"matmul", "attention"}
    assert len(separate) == 2 * shape.layers + len(fused)


def test_every_table_fits_its_buffer() -> None:
    for shape in SHAPES.values():
        for words in plan(shape).commands:
            if words.get(MatmulWord.ROW_BLOCKS):
                assert int(words[MatmulWord.COLUMN_TILES]) * 64 <= 1024 or not words[MatmulWord.TABLE_OBJECTS]


def test_only_whole_overlays() -> None:
    with pytest.raises(DesignError, match="matmul alone"):
        overlay("small", ("matmul", "attention"), tile=16)
    with pytest.raises(DesignError, match="four columns"):
        overlay("narrow", ENCODER_OPS, columns=2)


@pytest.mark.parametrize("tile", [16, 32, 64])
@pytest.mark.parametrize("columns", [1, 2, 4])
def test_the_seeds_tiles_are_parameters(tile: int, columns: int) -> None:
    report = check(overlay("matmul", ("matmul",), tile=tile, columns=columns))
    assert report.tile(0, 2).free_bytes > 0


def test_a_descriptor_has_three_dimensions_and_a_step() -> None:
    with pytest.raises(ValueError, match="4 dimensions"):
        transfer("x", 0, (2, 100_000), (3, 20_000), run=4096)
    assert transfer("x", 0, (2, 4096), run=4096).dims == ()
    assert [dim.size for dim in transfer("x", 0, (3, 8192), run=4096).dims] == [3, 4, 1024]
