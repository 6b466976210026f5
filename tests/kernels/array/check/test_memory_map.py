"""The memory map against the tables of the first kernels, the GEMM budgets, and the verdicts of aiecc."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from kernels.array.check.check import check
from kernels.array.check.memory_map import STACK, largest, memory_map
from kernels.array.design import Design, TileBuffer
from kernels.array.hardware import CORE as CORE_LIMITS
from kernels.array.tile import Block, Tile
from kernels.errors import DesignError
from tests.kernels.array.designs import CORE, forward, matmul, names, one_tile, seed_mel, seed_mel_tiles, violations

KIB = 1024
TABLES = 2_848  # twiddles, window, bit reversal
ALL_TABLES = 44_288  # and the dense mel filters


@pytest.mark.parametrize(
    ("tables", "stack", "double", "single"),
    [
        (0, KIB, 36, 73),
        (0, 8 * KIB, 32, 65),
        (TABLES, KIB, 35, 70),
        (TABLES, 9 * KIB // 2, 33, 66),
        (ALL_TABLES, KIB, 11, 22),
        (ALL_TABLES, 9 * KIB // 2, 9, 18),
        (ALL_TABLES, 8 * KIB, 7, 14),
    ],
)
def test_largest_batches(tables: int, stack: int, double: int, single: int) -> None:
    """800 bytes in and 80 out for each frame: the largest batch passes check, one frame more is refused."""
    for depth, batch in ((2, double), (1, single)):
        assert largest(lambda size, depth=depth: seed_mel(size, depth, tables, stack)) == batch  # type: ignore[misc]
        assert check(seed_mel(batch, depth, tables, stack)).tile(0, 2).free_bytes >= 0
        assert names(seed_mel(batch + 1, depth, tables, stack)) == {"data memory"}


@pytest.mark.parametrize(
    ("batch", "depth", "used"),
    [
        (1, 2, 2_784),
        (10, 2, 18_624),
        (20, 2, 36_224),
        (30, 2, 53_824),
        (36, 2, 64_384),
        (40, 2, 71_424),
        (100, 2, 177_024),
        (30, 1, 27_424),
        (73, 1, 65_264),
    ],
)
def test_bytes_of_a_batch(batch: int, depth: int, used: int) -> None:
    memory = memory_map(seed_mel(batch, depth, 0, KIB), CORE)
    assert memory.used == used
    assert memory.free == 65_536 - used


def test_refusal_shows_the_map() -> None:
    (violation,) = violations(seed_mel(100, 2, 0, KIB))
    assert violation.where == "core (0, 2)"
    assert violation.found == "177,024 bytes"
    assert "65,536" in violation.limit
    assert [line.split() for line in str(violation).splitlines()[1:]] == [
        ["(stack)", ":", "0x00000-0x003FF", "(1,024", "bytes)"],
        ["source_cons_buff_0", ":", "0x00400-0x13C7F", "(80,000", "bytes)"],
        ["source_cons_buff_1", ":", "0x13C80-0x274FF", "(80,000", "bytes)"],
        ["result_buff_0", ":", "0x27500-0x2943F", "(8,000", "bytes)"],
        ["result_buff_1", ":", "0x29440-0x2B37F", "(8,000", "bytes)"],
        ["177,024", "of", "65,536", "bytes,", "111,488", "bytes", "too", "many"],
    ]


def test_batch_100_over_tiles() -> None:
    report = check(seed_mel_tiles(100, 4))
    assert [report.tile(0, row).free_bytes for row in (2, 3, 4, 5)] == [65_536 - 1_024 - 25 * 1_760] * 4
    assert report.tile(0, 1).map is not None
    assert report.tile(0, 1).free_bytes == 524_288 - 2 * 88_000
    with pytest.raises(DesignError, match="data memory"):
        check(seed_mel_tiles(100, 2))


@pytest.mark.parametrize(
    ("design", "used", "fits"),
    [
        # tiles m, k, n of a matrix product; the int8 one is computed, the others ran through aiecc
        (matmul(8_192, 4_096, 0, 8_192, 2), 43_008, True),  # 64,64,32, float32 result in place
        (matmul(8_192, 8_192, 0, 16_384, 2), 67_584, False),  # 64,64,64, float32 result in place
        (matmul(8_192, 8_192, 16_384, 8_192, 1), 64_588, True),  # 64,64,64, accumulator and bf16 result
        (matmul(8_192, 8_192, 16_384, 8_192, 2), 72_780, False),
        (matmul(4_096, 4_096, 16_384, 8_192, 2), 56_396, True),  # 64,32,64
        (matmul(8_192, 8_192, 16_384, 4_096, 1), 60_492, True),  # 64,128,64, int8 result
    ],
)
def test_matmul_budgets(design: Design, used: int, fits: bool) -> None:
    assert memory_map(design, CORE).used == used
    if fits:
        check(design)
    else:
        assert names(design) == {"data memory"}


@pytest.mark.parametrize(
    ("frames", "depth", "raw", "mel", "fits"),
    [
        (10, 2, False, 768, False),
        (10, 2, False, 384, True),
        (20, 1, False, 384, True),
        (15, 2, False, 384, False),
        (25, 1, False, 384, False),
        (30, 1, True, 384, True),
        (25, 2, True, 384, False),
        (42, 1, True, 384, True),
        (43, 1, True, 384, False),
        (20, 2, True, 384, True),
        (21, 2, True, 384, False),
    ],
)
def test_mel_with_its_table(frames: int, depth: int, raw: bool, mel: int, fits: bool) -> None:
    """A quarter of the folded DFT (45,248 bytes) in a core: frames of 400 samples, or the samples as they follow."""
    source = Block("i16", 160 * frames + 240 if raw else 400 * frames)
    design = one_tile(source, Block("bf16", 46 * frames), depth, (Block("i8", 45_248), Block("i8", mel)), 2_048)
    if fits:
        check(design)
    else:
        assert names(design) == {"data memory"}


@pytest.mark.parametrize(("raw", "single", "double"), [(False, 66, 33), (True, 131, 65)])
def test_mel_without_tables(raw: bool, single: int, double: int) -> None:
    def build(frames: int, depth: int) -> Design:
        source = Block("i16", 160 * frames + 240 if raw else 400 * frames)
        return one_tile(source, Block("bf16", 80 * frames), depth, (), 2_048)

    assert largest(lambda frames: build(frames, 1)) == single
    assert largest(lambda frames: build(frames, 2)) == double


def test_nothing_fits_or_everything_asked_for() -> None:
    assert largest(lambda batch: seed_mel(batch, 2, 64_000, 1_024)) == 0
    assert largest(lambda batch: seed_mel(batch, 2, 0, 1_024), upper=10) == 10


def test_links_share_one_pool() -> None:
    regions = {region.name: region.nbytes for region in memory_map(seed_mel_tiles(8, 4), Tile(0, 1)).regions}
    whole = {f"frames_cons_buff_{i}": 6_400 for i in range(2)} | {f"bands_buff_{i}": 640 for i in range(2)}
    assert regions == whole


def test_memtile_overflow() -> None:
    found = {
        violation.where: violation.found
        for violation in violations(seed_mel_tiles(300, 4))
        if violation.name == "data memory"
    }
    assert found["memtile (0, 1)"] == "528,000 bytes"
    assert len(found) == 5  # and the four cores


@given(
    sizes=st.lists(st.integers(1, 4_000), max_size=8),
    stack=st.integers(1, 64).map(lambda n: 32 * n),
    frames=st.integers(1, 20),
)
def test_map_is_a_partition(sizes: list[int], stack: int, frames: int) -> None:
    """The stack comes first, then all regions without gaps, from the largest to the smallest."""
    design = one_tile(Block("i16", 2 * frames), Block("i32", frames), 2, tuple(Block("i32", n) for n in sizes), stack)
    regions = memory_map(design, CORE).regions
    assert regions[0].name == STACK
    assert [region.end for region in regions[:-1]] == [region.address for region in regions[1:]]
    assert [region.nbytes for region in regions[1:]] == sorted((region.nbytes for region in regions[1:]), reverse=True)
    assert sum(region.nbytes for region in regions) == stack + 4 * sum(sizes) + 16 * frames
    assert memory_map(design, CORE).used + memory_map(design, CORE).free == CORE_LIMITS.memory_bytes


def test_vector_kernels_need_aligned_pointers() -> None:
    """A table of 36 bytes moves the smaller result off a multiple of 32 bytes, which only a vector kernel needs."""
    scalar = one_tile(Block("i16", 400), Block("i8", 16), 1, (Block("i8", 36),), 1_024)
    check(scalar)
    vector = replace(scalar, kernels=(replace(scalar.kernels[0], alignment=32),))
    (violation,) = violations(vector)
    assert violation.name == "alignment"
    assert violation.found == "result_buff_0 at 0x744"
    odd = one_tile(Block("i16", 400), Block("i8", 16), 1, (Block("i8", 33),), 1_024)
    assert "alignment" in names(odd)  # the DMA itself wants words


@pytest.mark.parametrize("stack", [0, 16, 1_000])
def test_stack_is_explicit_and_aligned(stack: int) -> None:
    assert "stack" in names(seed_mel(1, 1, 0, stack))
    check(seed_mel(1, 1, 0, 32))


def test_stack_that_a_kernel_overflows() -> None:
    """The first kernels reserved 1 KB for 4 KB of local variables."""
    design = seed_mel(10, 2, 0, 1_024)
    (violation,) = violations(replace(design, kernels=(replace(design.kernels[0], stack_bytes=4_096),)))
    assert violation.name == "stack"
    assert "4,096" in violation.limit
    check(seed_mel(10, 2, 0, 4_096))


def test_dynamic_cores_keep_an_index_for_each_fifo() -> None:
    regions = memory_map(matmul(8_192, 8_192, 16_384, 8_192, 1), CORE).regions
    assert regions[-1].name == "_anonymous0"
    assert regions[-1].nbytes == 12


def test_initial_value_fits_its_buffer() -> None:
    design = forward()
    table = Block("i16", 8)
    good = TileBuffer("table", CORE, table, np.zeros(8, np.int16))
    check(replace(design, buffers=(good,)))
    for value in (np.zeros(7, np.int16), np.zeros(8, np.int32)):
        assert names(replace(design, buffers=(replace(good, initial=value),))) == {"initial value"}
