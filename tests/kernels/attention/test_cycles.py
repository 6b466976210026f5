"""The cycle estimates of attention and rows: bounded by the multiplier, and within what the encoder's budget needs."""

from __future__ import annotations

import pytest

from kernels.attention import cycles as attention
from kernels.attention.reference import SOURCE
from kernels.rows import cycles as rows
from kernels.schedule import Cycles

PRODUCTS = 2 * 64**3 // 128  # MACs of both products of a tile
STREAM = 8 * 8192 // 4  # cycles in which a core gets a group's two blocks of x, four columns wide


def test_a_score_costs_less_than_three_and_a_half_cycles() -> None:
    best, nominal = attention.cycles_per_score()

    assert PRODUCTS / attention.SCORES < best < 1.3
    assert best < nominal < 2.0


def test_what_a_query_tile_costs_besides_its_keys_is_little() -> None:
    every = attention.cycles()
    tiles = 24 * (every["attn_scores"].nominal + every["attn_values"].nominal)

    assert sum(every[name].nominal for name in ("attn_query", "attn_begin", "attn_end")) < 0.06 * tiles


@pytest.mark.parametrize("adds", [0, 1])
def test_rows_are_worked_on_while_the_next_arrive(adds: int) -> None:
    every = rows.cycles()
    gathered = 4 * (every["row_load"].nominal + every["row_add"].nominal)

    assert gathered + (1 + adds) * every["row_out"].nominal < STREAM


@pytest.mark.parametrize("counted", [attention.cycles(), rows.cycles()])
def test_best_is_better_than_nominal(counted: dict[str, Cycles]) -> None:
    assert counted
    assert all(0 < each.best < each.nominal for each in counted.values())


def test_every_function_is_counted() -> None:
    sources = SOURCE.read_text() + SOURCE.parents[1].joinpath("rows", "rows.cc").read_text()
    exported = sources.split('extern "C"', 1)[1]

    assert all(f"void {name}(" in exported for name in {**attention.cycles(), **rows.cycles()})
    assert exported.count("\nvoid ") == len({**attention.cycles(), **rows.cycles()})
