"""One shim descriptor against mlir-aie's rules, and accepted transfers against the pattern that all readers share."""

from __future__ import annotations

import math
from collections.abc import Iterator

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from kernels.array.check.transfers import contiguous, violations
from kernels.array.pattern import pattern
from kernels.array.sequence import Transfer
from kernels.array.tile import ITEM_BYTES, Block, Dim, DType


def found(transfer: Transfer, argument: Block, repeat: int = 0) -> set[str]:
    return {violation.name for violation in violations("here", transfer, argument, repeat)}


BIG: dict[DType, Block] = {dtype: Block(dtype, 1 << 26) for dtype in ITEM_BYTES}


@pytest.mark.parametrize(
    ("dtype", "dims", "repeat"),
    [
        ("i16", (Dim(750, 160), Dim(400, 1)), 0),  # overlapping frames
        ("i16", (Dim(4, 120_000), Dim(750, 160), Dim(400, 1)), 0),
        ("bf16", (Dim(64, 16_384), Dim(4, 65_536), Dim(8, 512), Dim(512, 1)), 63),
        ("bf16", (Dim(2_000, 600), Dim(2, 2), Dim(2, 1)), 0),  # the third dimension has no counter
        ("i32", (Dim(3, 7), Dim(5, 3)), 0),
        ("i32", (Dim(1_023, 2_000),), 0),
        ("i16", (Dim(2, 4_200), Dim(2_046, 1)), 0),  # 1,023 words
        ("i16", (Dim(4, 1 << 21), Dim(1, 0), Dim(1, 0), Dim(128, 1)), 3),
        ("bf16", (Dim(3, 1 << 21), Dim(2, 1)), 0),  # 2**20 words
        ("i8", (Dim(64, 65_536), Dim(64, 1_024), Dim(32, 32), Dim(32, 1)), 63),  # one run a pass
        ("i8", (Dim(1, 0), Dim(7, 4), Dim(1, 0), Dim(4, 1)), 9),
        ("bf16", (), 255),
    ],
)
def test_transfers_that_can_be_written(dtype: DType, dims: tuple[Dim, ...], repeat: int) -> None:
    length = math.prod(dim.size for dim in dims[-3:]) if dims else 1 << 20
    assert not found(Transfer("x", 0, length, dims), BIG[dtype], repeat)


@pytest.mark.parametrize(
    ("dtype", "dims", "repeat", "name"),
    [
        ("i16", (Dim(3_000, 160), Dim(400, 1)), 0, "size"),  # aiecc: Size 1 exceeds the [0:1023] range
        ("i16", (Dim(2, 4_200), Dim(2_048, 1)), 0, "size"),  # 1,024 words
        ("i16", (Dim(8, 3), Dim(2, 1)), 0, "stride"),  # 6 bytes
        ("bf16", (Dim(64, 1), Dim(2, 64)), 0, "stride"),
        ("bf16", (Dim(8, 2),), 0, "stride"),  # every second element: the DMA would move neighbours
        ("bf16", (Dim(4, 0), Dim(8, 1)), 0, "stride"),  # aiecc: Stride 1 must be a positive integer
        ("bf16", (Dim(3, (1 << 21) + 2), Dim(2, 1)), 0, "stride"),
        ("bf16", (Dim(3, 8), Dim(1, 1)), 0, "length"),  # half a word each
        ("i8", (Dim(2, 8), Dim(3, 1)), 0, "length"),
        ("bf16", (Dim(65, 256), Dim(1, 0), Dim(1, 0), Dim(128, 1)), 64, "repeat"),  # aiecc: [0:63] range
        ("bf16", (Dim(4, 256), Dim(1, 0), Dim(1, 0), Dim(128, 1)), 0, "repeat"),  # silently once
        ("bf16", (Dim(4, 256), Dim(1, 0), Dim(1, 0), Dim(128, 1)), 7, "repeat"),
        ("bf16", (Dim(4, 0), Dim(1, 0), Dim(1, 0), Dim(128, 1)), 3, "repeat"),  # silently dropped in a chain
        ("i16", (Dim(4, 3), Dim(1, 0), Dim(1, 0), Dim(128, 1)), 3, "stride"),
        ("i16", (Dim(4, (1 << 21) + 2), Dim(1, 0), Dim(1, 0), Dim(128, 1)), 3, "stride"),
        ("i8", (Dim(2, 9),) * 5, 0, "dimensions"),
    ],
)
def test_transfers_that_cannot(dtype: DType, dims: tuple[Dim, ...], repeat: int, name: str) -> None:
    length = math.prod(dim.size for dim in dims[-3:])
    assert name in found(Transfer("x", 0, length, dims), BIG[dtype], repeat)


def test_lengths_and_offsets() -> None:
    block = Block("bf16", 100)
    assert not found(Transfer("x", 2, 98), block)
    assert found(Transfer("x", 1, 98), block) == {"offset"}
    assert found(Transfer("x", 0, 99), block) == {"length"}
    assert found(Transfer("x", 4, 98), block) == {"bounds"}
    assert found(Transfer("x", 0, 10, (Dim(2, 4), Dim(4, 1))), block) == {"length"}
    for wrong in (Transfer("x", -2, 4), Transfer("x", 0, 0), Transfer("x", 0, 4, (Dim(0, 1),))):
        assert found(wrong, block) == {"transfer"}


def test_an_argument_is_addressed_with_31_bits() -> None:
    assert found(Transfer("x", (1 << 30) - 2, 4), Block("bf16", 1 << 31)) == {"bounds"}
    assert not found(Transfer("x", (1 << 30) - 4, 4), Block("bf16", 1 << 31))


dims = st.lists(st.builds(Dim, st.integers(1, 6), st.integers(0, 40)), max_size=4).map(tuple)


@given(dims, st.integers(0, 20), st.sampled_from(sorted(ITEM_BYTES)), st.integers(1, 2_000), st.integers(0, 5))
def test_what_is_accepted_is_what_the_pattern_visits(
    dims: tuple[Dim, ...], offset: int, dtype: DType, elements: int, repeat: int
) -> None:
    """Every element of every pass is inside the argument, in whole words; one element further is refused."""
    length = math.prod(dim.size for dim in dims[-3:]) if dims else 8
    transfer = Transfer("x", offset, length, dims)
    if found(transfer, Block(dtype, elements), repeat):
        return
    visited = np.concatenate([pattern(transfer).indices(number) for number in range(repeat + 1)])
    assert visited.max() < elements
    assert found(transfer, Block(dtype, int(visited.max())), repeat) == {"bounds"}
    assert set(words(visited, ITEM_BYTES[dtype])) == {True}


def words(visited: np.ndarray[tuple[int], np.dtype[np.int64]], item: int) -> Iterator[bool]:
    """Yield for each 32-bit word whether the elements visited there are a whole, aligned word; ``item`` is in bytes."""
    each = max(1, 4 // item)
    for word in visited.reshape(-1, each):
        yield bool(word[0] % each == 0 and (np.diff(word) == 1).all())


@given(dims.map(lambda many: many[-3:]))
def test_contiguous_is_one_run(inner: tuple[Dim, ...]) -> None:
    if not inner:
        assert contiguous(inner)
        return
    length = math.prod(dim.size for dim in inner)
    visited = pattern(Transfer("x", 0, length, inner)).indices()
    assert contiguous(inner) == bool((visited == np.arange(length)).all())
