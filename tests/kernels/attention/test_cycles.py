"""The cycle model of attention covers every function, and the README has its figures."""

from __future__ import annotations

import pytest

from kernels.attention.cycles import SCORES, cycles, cycles_per_score
from kernels.attention.reference import SOURCE

PRODUCTS = 2 * 64**3 // 128  # MACs of both products of a tile
README = SOURCE.with_name("README.md").read_text(encoding="utf-8")


def test_a_score_costs_at_least_its_products() -> None:
    best, nominal = cycles_per_score()

    assert PRODUCTS / SCORES < best < nominal


@pytest.mark.parametrize("name", cycles())
def test_best_is_better_than_nominal(name: str) -> None:
    assert 0 < cycles()[name].best < cycles()[name].nominal


def test_the_readme_has_the_figures() -> None:
    scores, values, begin, end = (cycles()[f"attn_{name}"] for name in ("scores", "values", "begin", "end"))

    assert f"| `attn_scores` | {scores.best:,} | {scores.nominal:,} |" in README
    assert f"| `attn_values` | {values.best:,} | {values.nominal:,} |" in README
    assert f"| {begin.best:,}, {end.best:,} | {begin.nominal:,}, {end.nominal:,} |" in README
    assert "{:.2f} cycles a score at best, {:.2f} nominal".format(*cycles_per_score()) in README


def test_every_function_is_counted() -> None:
    exported = SOURCE.read_text(encoding="utf-8").split('extern "C"', 1)[1]

    assert all(f"void {name}(" in exported for name in cycles())
    assert exported.count("\nvoid ") == len(cycles())
