"""Thousands of lanes that make the float datapath round, tie, cancel, overflow and underflow, in both builds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels.host import numerics
from tests.kernels.host import arithmetic
from tests.kernels.host.conftest import Probes
from tests.kernels.host.test_floats import EDGES16, EDGES32, assert_same_bits, floats

TILES, ROWS = 4000, 500
SPREADS = (3, 12, 30, 250)  # of the exponents within a sum: cancelling, rounding, mostly lost, beyond the range


def patterns(rng: np.random.Generator, shape: tuple[int, ...], bits: int, edges: float = 0.03) -> NDArray[Any]:
    """Draw the bits of floats of 16 or 32 bits, with exponents near one per row, and some EDGES among them.

    The fractions have few bits, which makes ties, or any.
    """
    fraction = bits - 9
    centre = rng.integers(1, 255, (shape[0], *[1] * (len(shape) - 1)))
    spread = rng.choice(SPREADS, centre.shape)
    exponent = np.clip(centre + rng.integers(-spread, spread + 1, shape), 0, 254)
    dense = rng.integers(0, 2**fraction, shape)
    sparse = 1 << rng.integers(0, fraction, shape) | 1 << rng.integers(0, fraction, shape)
    value = (
        rng.integers(0, 2, shape) << (bits - 1)
        | exponent << fraction
        | np.where(rng.random(shape) < 0.5, dense, sparse)
    )
    special = rng.choice(EDGES16 if bits == 16 else EDGES32, shape)
    return np.where(rng.random(shape) < edges, special, value).astype(np.uint16 if bits == 16 else np.uint32)


def reciprocal_exponents(rng: np.random.Generator, a: NDArray[Any], spread: int) -> NDArray[Any]:
    """Draw bfloat16 bits whose products with ``a`` have nearly one exponent."""
    exponent = np.clip(254 - (a >> 7 & 255).astype(np.int64) + rng.integers(-spread, spread + 1, a.shape), 1, 254)
    bits = rng.integers(0, 2, a.shape) << 15 | exponent << 7 | rng.integers(0, 128, a.shape)
    return np.asarray(bits, np.uint16)


@pytest.mark.parametrize("edges", [0.0, 0.03])
def test_tile_products(probes: Probes, edges: float) -> None:
    rng = np.random.default_rng(7)
    a, b = patterns(rng, (TILES, 4, 8), 16, edges), patterns(rng, (TILES, 8, 4), 16, edges)
    b[: TILES // 2] = reciprocal_exponents(rng, a[: TILES // 2, 0, :, None].repeat(4, axis=2), 4)
    c = patterns(rng, (TILES, 4, 4), 32, edges)
    c[: TILES // 2] = c[: TILES // 2] & 0x807FFFFF | rng.integers(110, 140, (TILES // 2, 4, 4)).astype(np.uint32) << 23
    rows, columns = np.broadcast_arrays(a[:, :, None, :], b.swapaxes(1, 2)[:, None, :, :])
    expected = arithmetic.mac(c.view(np.float32), rows, columns)
    for tile in range(TILES):
        got = probes("mmul_bfloat16", [a[tile], b[tile]], c[tile].view(np.float32), integers=(1,))
        assert_same_bits(got, expected[tile])


@pytest.mark.parametrize(("name", "subtract"), [("mac_16", False), ("msc_16", True)])
def test_element_products(probes: Probes, name: str, subtract: bool) -> None:
    rng = np.random.default_rng(8)
    a = patterns(rng, (ROWS, 16), 16)
    b = np.where(np.arange(ROWS)[:, None] % 2, patterns(rng, (ROWS, 16), 16), reciprocal_exponents(rng, a, 3))
    acc = patterns(rng, (ROWS, 16), 32)
    acc[::2] = acc[::2] & 0x807FFFFF | rng.integers(100, 150, (ROWS // 2, 16)).astype(np.uint32) << 23
    expected = arithmetic.mac(acc.view(np.float32), a[..., None], b[..., None], subtract)
    for row in range(ROWS):
        assert_same_bits(probes(name, [acc[row].view(np.float32), a[row], b[row]], floats()), expected[row])


@pytest.mark.parametrize(("name", "subtract"), [("add_accums", False), ("sub_floats", True)])
def test_sums(probes: Probes, name: str, subtract: bool) -> None:
    rng = np.random.default_rng(9)
    both = patterns(rng, (ROWS, 32), 32).view(np.float32)
    a, b = both[:, :16], both[:, 16:]
    expected = numerics.add(a, b, subtract)
    for row in range(ROWS):
        assert_same_bits(probes(name, [a[row], b[row]], floats()), expected[row])


def test_the_sweep_meets_every_kind_of_result() -> None:
    """The patterns do cover what they claim: ties, zeros, overflow, underflow and NaN all occur."""
    rng = np.random.default_rng(8)
    a, b = patterns(rng, (4000, 8), 16), patterns(rng, (4000, 8), 16)
    acc = patterns(rng, (4000,), 32).view(np.float32)
    result = arithmetic.mac(acc, a, b)
    finite = (
        np.isfinite(arithmetic.from_bfloat16(a)).all(1)
        & np.isfinite(arithmetic.from_bfloat16(b)).all(1)
        & np.isfinite(acc)
    )
    assert np.isnan(result).sum() > 50
    assert (np.isinf(result) & finite).sum() > 50
    assert (result[finite] == 0).any()
    pair = patterns(rng, (4000, 2), 32, edges=0).view(np.float32).astype(np.float64)
    exact = pair.sum(axis=1)
    larger = np.abs(pair).max(axis=1)
    remainder = np.abs(np.abs(pair).min(axis=1) / np.spacing(larger.astype(np.float32)).astype(np.float64) % 1 - 0.5)
    assert (
        (remainder == 0) & (exact != 0)
    ).sum() > 50  # the smaller term lies half way between two units of the larger
