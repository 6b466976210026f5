"""The cycle model of the row kernels covers every function, and the kernels keep up with the stream of rows."""

from __future__ import annotations

import pytest

from kernels.rows.cycles import cycles
from kernels.rows.reference import SOURCE

STREAM = 8 * 8192 // 4  # cycles in which a core gets a group's two blocks of x, four columns wide
README = SOURCE.with_name("README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("adds", [0, 1])
def test_rows_are_worked_on_while_the_next_arrive(adds: int) -> None:
    every = cycles()
    gathered = 4 * (every["row_load"].nominal + every["row_add"].nominal)

    assert gathered + (1 + adds) * every["row_out"].nominal < STREAM


@pytest.mark.parametrize("name", cycles())
def test_best_is_better_than_nominal(name: str) -> None:
    assert 0 < cycles()[name].best < cycles()[name].nominal


def test_the_readme_has_the_figures() -> None:
    load, add, out = (cycles()[f"row_{name}"] for name in ("load", "add", "out"))
    largest, quantise = cycles()["quant_max"], cycles()["quant_out"]

    assert f"| {load.best:,}, {add.best:,} | {load.nominal:,}, {add.nominal:,} |" in README
    assert f"| {out.best:,} | {out.nominal:,} |" in README
    assert f"| {largest.best:,}, {quantise.best:,} | {largest.nominal:,}, {quantise.nominal:,} |" in README


def test_every_function_is_counted() -> None:
    exported = SOURCE.read_text(encoding="utf-8").split('extern "C"', 1)[1]

    assert all(f"void {name}(" in exported for name in cycles())
    assert exported.count("\nvoid ") == len(cycles())
