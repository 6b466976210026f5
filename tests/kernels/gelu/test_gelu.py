"""gelu.h equals its reference to the bit, and its error is within the documented bound."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import kernels.gelu
from bench.npu.matmul_errors import real
from kernels.gelu import reference
from kernels.host.buffers import aligned, buffer
from kernels.host.compile import build
from kernels.matmul.blocks import from_bf16, to_bf16
from tests.kernels.gelu.minimax import error_of, minimax


@cache
def library() -> ctypes.CDLL:
    return build([Path(kernels.gelu.__file__).parent / "gelu.cc"])


def gelu(x: NDArray[Any]) -> NDArray[np.uint16]:
    padded = aligned(np.pad(x.reshape(-1).astype(np.float32), (0, -x.size % 32)))
    c = buffer(padded.size, np.uint16)
    library().gelu_f32(ctypes.c_void_p(padded.ctypes.data), ctypes.c_void_p(c.ctypes.data), padded.size)
    return c[: x.size].reshape(x.shape)


def test_every_bf16_value_comes_out_to_the_bit() -> None:
    values = from_bf16(np.arange(1 << 16, dtype=np.uint16))
    numbers = values[~np.isnan(values)]

    assert np.array_equal(gelu(numbers), reference.fixed_point(numbers))


@given(arrays(np.float32, 64, elements=st.floats(width=32, allow_nan=False)))
def test_every_float_comes_out_to_the_bit(x: NDArray[np.float32]) -> None:
    assert np.array_equal(gelu(x), reference.fixed_point(x))


def test_it_is_nowhere_further_from_gelu_than_stated() -> None:
    x = np.concatenate([np.linspace(-9, 9, 1 << 17), np.linspace(-100, 100, 1 << 12)]).astype(np.float32)
    error = np.abs(reference.unrounded(x) - reference.exact(x))

    assert error.max() <= reference.ERROR
    assert error.max() > 0.8 * reference.ERROR  # the stated figure is not padded


@pytest.mark.parametrize("x", [5.0, 40.0, 1e4, 3e38])
def test_far_out_it_is_the_identity_or_nothing(x: float) -> None:
    assert from_bf16(gelu(np.array([x])))[0] == pytest.approx(x, rel=2**-8)
    assert abs(from_bf16(gelu(np.array([-x])))[0]) < 2e-4


def test_the_coefficients_are_nearly_the_best_of_their_degree() -> None:
    u = np.linspace(0, 4, 8001)
    best = np.abs(error_of(minimax(), u)).max()
    ours = np.abs(error_of(np.array(reference.COEFFICIENTS) / 2**15, u)).max()

    assert best <= ours <= 1.2 * best


@pytest.mark.parametrize("layer", range(4))
def test_after_the_next_projection_it_costs_little_beside_rounding_to_bf16(layer: int) -> None:
    up, down = real()[4 * layer + 2 : 4 * layer + 4]
    inner = (up.a @ up.b + up.linear.bias).astype(np.float32)
    exact = reference.exact(inner)

    def lost(activations: NDArray[np.uint16]) -> float:
        return float(np.linalg.norm((from_bf16(activations) - exact) @ down.b.astype(np.float64)))

    assert lost(gelu(inner)) <= 1.03 * lost(to_bf16(exact.astype(np.float32)))
