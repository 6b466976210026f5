"""Access patterns against the nested loops that define them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.array.pattern import Pattern, pattern, unfolded
from kernels.array.sequence import Start, Transfer
from kernels.array.tile import Dim

dims = st.lists(st.builds(Dim, st.integers(1, 5), st.integers(0, 40)), max_size=4).map(tuple)


@st.composite
def transfers(draw: st.DrawFn) -> Transfer:
    chosen = draw(dims)
    length = int(np.prod([dim.size for dim in chosen[-3:]])) if chosen else draw(st.integers(1, 100))
    return Transfer("x", draw(st.integers(0, 50)), length, chosen)


def visited(transfer: Transfer, number: int) -> list[int]:
    """Return the elements that pass ``number`` of a transfer visits, by the plain loops of the definition."""
    start = transfer.offset
    if len(transfer.dims) == 4:
        start += number % transfer.dims[0].size * transfer.dims[0].stride
    if not transfer.dims:
        return list(range(start, start + transfer.length))
    places = [start]
    for dim in transfer.dims[-3:]:
        places = [place + step * dim.stride for place in places for step in range(dim.size)]
    return places


@given(transfers(), st.integers(0, 6))
def test_a_pass_visits_what_the_loops_visit(transfer: Transfer, number: int) -> None:
    expected = visited(transfer, number)
    visits = pattern(transfer)
    assert visits.indices(number).tolist() == expected
    buffer = np.arange(1_000, dtype=np.int32)
    assert visits.take(buffer, number).tolist() == expected


@given(transfers(), st.integers(1, 6))
def test_the_extent_is_what_all_passes_touch(transfer: Transfer, passes: int) -> None:
    places = [place for number in range(passes) for place in visited(transfer, number)]
    assert pattern(transfer).extent(passes) == (min(places), max(places) + 1)


@given(transfers(), st.integers(0, 6), st.data())
def test_storing_in_parts_is_storing_at_once(transfer: Transfer, number: int, data: st.DataObject) -> None:
    visits = pattern(transfer)
    stream = np.arange(visits.length, dtype=np.int32) + 1
    cuts = sorted(data.draw(st.lists(st.integers(0, visits.length), max_size=3)))
    loops, parts, whole = np.zeros(1_000, np.int32), np.zeros(1_000, np.int32), np.zeros(1_000, np.int32)
    for place, value in zip(visited(transfer, number), stream, strict=True):
        loops[place] = value
    for begin, end in zip([0, *cuts], [*cuts, visits.length], strict=True):
        visits.put(parts, stream[begin:end], number, at=begin)
    visits.put(whole, stream, number)
    if len(set(visited(transfer, number))) == visits.length:  # where writes overlap, their order is open
        assert (parts == loops).all()
        assert (whole == loops).all()
    else:
        assert ((parts != 0) == (loops != 0)).all()


def test_a_block_of_a_tiled_matrix() -> None:
    """Four row blocks of one column of 64 x 64 tiles, the next column with the next pass."""
    tile = 4_096
    visits = pattern(Transfer("x", 0, 4 * tile, (Dim(3, tile), Dim(4, 3 * tile), Dim(8, 512), Dim(512, 1))))
    assert visits.shape == (Dim(4, 3 * tile), Dim(tile, 1))
    matrix = np.arange(12 * tile, dtype=np.int32)
    assert (visits.take(matrix, 2).reshape(4, tile) == matrix.reshape(4, 3, tile)[:, 2]).all()
    assert visits.extent(3) == (0, 12 * tile)


def test_a_run_is_not_copied() -> None:
    buffer = np.zeros(64, np.float32)
    visits = pattern(Transfer("x", 8, 32, (Dim(4, 8), Dim(8, 1))))
    assert visits.contiguous
    assert np.shares_memory(visits.take(buffer), buffer)


def test_leaving_the_buffer() -> None:
    buffer = np.zeros(100, np.int32)
    visits = pattern(Transfer("x", 0, 50, (Dim(3, 50), Dim(1, 50), Dim(5, 10), Dim(10, 1))))
    visits.take(buffer, 1)
    with pytest.raises(IndexError, match="100 to 149 of a buffer of 100"):
        visits.take(buffer, 2)
    with pytest.raises(IndexError, match="100 to 149"):
        visits.put(buffer, np.ones(10, np.int32), 2, at=10)


@pytest.mark.parametrize(
    "transfer",
    [
        Transfer("x", 0, 10, (Dim(3, 4),)),
        Transfer("x", -4, 10),
        Transfer("x", 0, 0),
        Transfer("x", 0, 12, (Dim(3, -4), Dim(4, 1))),
        Transfer("x", 0, 1, (Dim(1, 1),) * 5),
    ],
)
def test_refusals(transfer: Transfer) -> None:
    with pytest.raises(ValueError, match=r"dimensions|start|Sizes"):
        pattern(transfer)


def test_passes_that_continue_each_other_are_one_run() -> None:
    stepped = Transfer("x", 64, 32, (Dim(4, 32), Dim(1, 0), Dim(2, 16), Dim(16, 1)))
    assert unfolded(Start("t", "a", (stepped,), repeat=3)) == Start("t", "a", (Transfer("x", 64, 128),))
    apart = Start("t", "a", (Transfer("x", 64, 32, (Dim(4, 64), Dim(1, 0), Dim(2, 16), Dim(16, 1))),), repeat=3)
    assert unfolded(apart) == apart
    with pytest.raises(ValueError, match=r"Task t: .* queue the transfers as tasks of their own"):
        unfolded(Start("t", "a", (stepped, Transfer("x", 0, 4)), repeat=3))


def test_a_repeated_pass_stays_a_repeat() -> None:
    again = Start("t", "a", (Transfer("x", 0, 32),), repeat=3)
    assert unfolded(again) == again
    assert Pattern(0, 32).start(3) == 0
