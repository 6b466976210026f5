"""The errors of the attention and layer-norm kernels against exact results, and the limits for these errors.

The same errors of ideal bf16 arithmetic are reported beside them, because bf16 allows no less.
"""

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
    """The limits of a kernel's error on some data.

    ``relative`` limits its relative L2 error, ``over_ideal`` the ratio of that error to the error of ideal bf16
    arithmetic on the same data.
    """

    relative: float
    over_ideal: float


ATTENTION = Tolerance(relative=0.003, over_ideal=1.25)  # of any data
SPEECH = Tolerance(relative=0.002, over_ideal=1.05)  # of heads that an encoder makes of speech
NORMALISED = Tolerance(relative=0.002, over_ideal=1.02)  # layer norm


@dataclass(frozen=True, slots=True)
class AttentionHead:
    """The input of one attention head: query (with the kernels' scale), key and value, float64 [n, 64] of bf16 values.

    The first ``valid`` keys count, the rest is junk that must not influence the result. ``data`` describes the head in
    tables.
    """

    data: str
    query: Float64
    key: Float64
    value: Float64
    valid: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The errors of a kernel's result on some data, against the exact result.

    ``kernel`` and ``data`` name the two in tables. ``largest`` is the largest absolute error, ``relative`` the relative
    L2 error, ``ideal`` the relative L2 error of ideal bf16 arithmetic on the same data.
    """

    kernel: str
    data: str
    largest: float
    relative: float
    ideal: float

    def within(self, tolerance: Tolerance) -> bool:
        """Return whether the relative error is within both limits of ``tolerance``."""
        return self.relative <= min(tolerance.relative, tolerance.over_ideal * max(self.ideal, 2.0**-11))


def compare(kernel: str, data: str, result: NDArray[Any], exact: NDArray[Any], ideal: NDArray[Any]) -> Comparison:
    """Compare a kernel's result, and that of ideal bf16 arithmetic, with the exact result; all have one shape."""
    size = float(np.linalg.norm(exact))
    return Comparison(
        kernel,
        data,
        float(np.abs(result - exact).max()),
        float(np.linalg.norm(result - exact)) / size,
        float(np.linalg.norm(ideal - exact)) / size,
    )


def compare_attention(head: AttentionHead) -> Comparison:
    """Compare the attention kernels' result on one head with float64 attention on the same bf16 inputs."""
    key, value = head.key[: head.valid], head.value[: head.valid]
    result = call_kernels(head.query, head.key, head.value, head.valid)
    exact, ideal = attend(head.query, key, value), attend_rounding(head.query, key, value)
    return compare("attention", head.data, result, exact, ideal)


def adversarial() -> Iterator[AttentionHead]:
    """Yield heads unlike those of speech: equal, huge or rising scores, a dominant key, odd numbers of keys."""
    for valid in (1, 63, 64, 65, 1500):
        yield _random(f"random, {valid} keys", 1.0, valid)
    yield _random("equal scores, 1500 keys", 0.0, 1500)
    yield _dominant("one key far above 1499", 700)
    yield _dominant("the last key far above 1499", 1499)
    yield _random("scores to +-1e4, 1500 keys", 2200.0, 1500)
    yield _shifted("scores around -9e3, 1500 keys", -9e3)
    yield _shifted("scores around 9e3, 1500 keys", 9e3)
    yield _rising("scores rising by 5 octaves each tile", 5.0)


def table(comparisons: Iterable[Comparison]) -> str:
    """Return the comparisons as a Markdown table with a header and one row each."""
    lines = ["| kernel | data | largest error | relative L2 | ideal bf16 |", "|---|---|---|---|---|"]
    lines += [f"| {e.kernel} | {e.data} | {e.largest:.2g} | {e.relative:.5f} | {e.ideal:.5f} |" for e in comparisons]
    return "\n".join(lines)


def _random(data: str, scale: float, valid: int) -> AttentionHead:
    """Make a head with scores of standard deviation ``scale``; its junk keys would outweigh the others if counted."""
    rng = np.random.default_rng(valid)
    keys = -(-valid // 64) * 64
    query = rng.standard_normal((64, HEAD)) * (scale * BASE / HEAD**0.5)
    key, value = rng.standard_normal((2, keys, HEAD))
    key[valid:] *= 50
    value[valid:] = 1e6
    return AttentionHead(data, rounded(query), rounded(key), rounded(value), valid)


def _dominant(data: str, at: int) -> AttentionHead:
    """Make a head in which the key ``at`` has a score far above all others, so that the result is that key's value."""
    head = _random(data, 1.0, 1500)
    direction = np.zeros(HEAD)
    direction[0] = 1
    head.query[:, 0], head.key[:, 0] = 16, 0
    head.key[at] = 4 * direction
    return head


def _shifted(data: str, shift: float) -> AttentionHead:
    """Make a head whose scores are all moved by ``shift`` (natural units), which does not change the result."""
    head = _random(data, 1.0, 1500)
    head.query[:, 0], head.key[:, 0] = rounded(np.array(shift * BASE)), 1
    return head


def _rising(data: str, octaves: float) -> AttentionHead:
    """Make a head whose scores grow by ``octaves`` from one tile of 64 keys to the next.

    The kernels then have to move each row's reference while earlier sums still count.
    """
    head = _random(data, 1.0, 1500)
    head.query[:, 0] = octaves / 4
    head.key[:, 0] = np.arange(len(head.key)) // 64
    return head
