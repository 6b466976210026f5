"""How far kernels are from exact results, beside what rounding to bf16 alone costs, and how far they may be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.attention.reference import Float64, attend, attend_rounding, call_kernels, rounded

HEAD = 64
BASE = float(np.log2(np.e)) / 4  # a natural score in the kernels' units


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Relative L2 error: of any case, and over that of ideal bf16 arithmetic on the same data."""

    relative: float
    over_ideal: float


ATTENTION = Tolerance(relative=0.003, over_ideal=1.25)  # of any data
SPEECH = Tolerance(relative=0.002, over_ideal=1.05)  # of heads that an encoder makes of speech
NORMALISED = Tolerance(relative=0.002, over_ideal=1.02)  # layer norm


@dataclass(frozen=True, slots=True)
class Heads:
    """One head: bf16 query (scaled), key, value, float64 [n, 64]; the first ``valid`` keys count, the rest is junk."""

    data: str
    query: Float64
    key: Float64
    value: Float64
    valid: int


@dataclass(frozen=True, slots=True)
class Error:
    """Of ``kernel`` on ``data``: largest absolute and relative L2, then the latter for ideal bf16 arithmetic."""

    kernel: str
    data: str
    largest: float
    relative: float
    ideal: float

    def within(self, tolerance: Tolerance) -> bool:
        return self.relative <= min(tolerance.relative, tolerance.over_ideal * max(self.ideal, 2.0**-11))


def compare(kernel: str, data: str, result: NDArray[Any], exact: NDArray[Any], ideal: NDArray[Any]) -> Error:
    size = float(np.linalg.norm(exact))
    return Error(
        kernel,
        data,
        float(np.abs(result - exact).max()),
        float(np.linalg.norm(result - exact)) / size,
        float(np.linalg.norm(ideal - exact)) / size,
    )


def measure(head: Heads) -> Error:
    """The kernels' attention against float64's on the same bf16 inputs."""
    key, value = head.key[: head.valid], head.value[: head.valid]
    result = call_kernels(head.query, head.key, head.value, head.valid)
    exact, ideal = attend(head.query, key, value), attend_rounding(head.query, key, value)
    return compare("attention", head.data, result, exact, ideal)


def adversarial() -> Iterator[Heads]:
    """What speech never looks like: counts of keys around a tile's, equal scores, one key above all, huge scores."""
    for valid in (1, 63, 64, 65, 1500):
        yield _random(f"random, {valid} keys", 1.0, valid)
    yield _random("equal scores, 1500 keys", 0.0, 1500)
    yield _dominant("one key far above 1499", 700)
    yield _dominant("the last key far above 1499", 1499)
    yield _random("scores to +-1e4, 1500 keys", 2200.0, 1500)
    yield _shifted("scores around -9e3, 1500 keys", -9e3)
    yield _shifted("scores around 9e3, 1500 keys", 9e3)
    yield _rising("scores rising by 5 octaves each tile", 5.0)


def table(errors: Iterable[Error]) -> str:
    """Markdown, one row for each error."""
    lines = ["| kernel | data | largest error | relative L2 | ideal bf16 |", "|---|---|---|---|---|"]
    lines += [f"| {e.kernel} | {e.data} | {e.largest:.2g} | {e.relative:.5f} | {e.ideal:.5f} |" for e in errors]
    return "\n".join(lines)


def _random(data: str, scale: float, valid: int) -> Heads:
    """Scores of standard deviation ``scale``; junk keys that would outweigh all others if they counted."""
    rng = np.random.default_rng(valid)
    keys = -(-valid // 64) * 64
    query = rng.standard_normal((64, HEAD)) * (scale * BASE / HEAD**0.5)
    key, value = rng.standard_normal((2, keys, HEAD))
    key[valid:] *= 50
    value[valid:] = 1e6
    return Heads(data, rounded(query), rounded(key), rounded(value), valid)


def _dominant(data: str, at: int) -> Heads:
    """One key whose score is far above all others, so that the result is its value."""
    head = _random(data, 1.0, 1500)
    direction = np.zeros(HEAD)
    direction[0] = 1
    head.query[:, 0], head.key[:, 0] = 16, 0
    head.key[at] = 4 * direction
    return head


def _shifted(data: str, shift: float) -> Heads:
    """Every score moved by a natural ``shift``, which leaves the result alone."""
    head = _random(data, 1.0, 1500)
    head.query[:, 0], head.key[:, 0] = rounded(np.array(shift * BASE)), 1
    return head


def _rising(data: str, octaves: float) -> Heads:
    """Scores that grow from tile to tile: references move, and what they leave behind still counts."""
    head = _random(data, 1.0, 1500)
    head.query[:, 0] = octaves / 4
    head.key[:, 0] = np.arange(len(head.key)) // 64
    return head
