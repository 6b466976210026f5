"""The simulated array is bit-exact with calling the compiled kernels in plain loops, whatever the sizes and depths."""

from __future__ import annotations

import ctypes
import subprocess
from collections import deque
from dataclasses import replace
from random import Random
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels.array.lower.encode import encode
from kernels.array.simulate.fifos import Process
from kernels.array.simulate.simulate import LaunchReport, Simulation
from kernels.errors import SimulationError
from tests.kernels.array.small_matmul import KERNELS, SIDE, A, Shape, matmul, sequence

SOURCE = """
#include <cstdint>
#include <cstring>
static int core, asked[32];
extern "C" void host_select_core(int number) { core = number; asked[number]++; }
extern "C" int selected(int number) { return asked[number]; }
extern "C" void command(const float *a, int32_t *words) { std::memcpy(words, a, 16); }
extern "C" void zero(float *acc) { std::memset(acc, 0, 256); }
extern "C" void mac(const float *a, const float *b, float *acc) {
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++)
            for (int k = 0; k < 8; k++) acc[i * 8 + j] += a[i * 8 + k] * b[k * 8 + j];
}
extern "C" void out(const float *acc, float *c, int32_t tile) {
    for (int i = 0; i < 64; i++) c[i] = acc[i] + (float)tile;
}
"""
Blocks = NDArray[np.float32]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("kernels")
    source, target = folder / "kernels.cc", folder / "kernels.so"
    source.write_text(SOURCE)
    command = ["g++", "-O2", "-shared", "-fPIC", "-ffp-contract=off", str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(target))


def pointer(array: Blocks) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def direct(shape: Shape, library: ctypes.CDLL, a: Blocks, b: Blocks) -> Blocks:
    """Compute C by calling the compiled kernels in plain loops: float32 [groups, rows, tiles * columns, block]."""
    c = np.zeros((shape.groups, shape.rows, shape.tiles * shape.columns, A.elements), np.float32)
    acc = np.zeros(A.elements, np.float32)
    for group, row, tile in np.ndindex(c.shape[:3]):
        turn, column = divmod(tile, shape.columns)
        library.zero(pointer(acc))
        for k in range(shape.steps):
            library.mac(pointer(a[row, group, k]), pointer(b[column, turn, k]), pointer(acc))
        library.out(pointer(acc), pointer(c[group, row, tile]), column)
    return c


def data(shape: Shape, seed: int) -> tuple[Blocks, Blocks]:
    generator = np.random.default_rng(seed)
    a = generator.standard_normal((shape.rows, shape.groups, shape.steps, A.elements)).astype(np.float32)
    b = generator.standard_normal((shape.columns, shape.tiles, shape.steps, A.elements)).astype(np.float32)
    return a, b


def simulated(simulation: Simulation, shape: Shape, a: Blocks, b: Blocks) -> tuple[Blocks, LaunchReport]:
    steps = sequence(shape)
    command = np.zeros(A.elements, np.int32)
    command[:3] = shape.groups, shape.tiles, shape.steps
    c = np.zeros((shape.groups, shape.rows, shape.tiles * shape.columns, A.elements), np.float32)
    stream = encode(replace(simulation.design, sequences=(steps,)), steps)
    done = simulation.run(stream, [array.reshape(-1).view(np.uint8) for array in (command, a, b, c)])
    return c, done


def shapes(columns: int, rows: int, depth: int) -> st.SearchStrategy[Shape]:
    small = st.integers(1, 3)
    return st.builds(
        Shape, st.just(columns), st.just(rows), small, st.integers(1, 4), st.integers(1, 6), st.just(depth)
    )


arrays = st.sampled_from([(1, 1), (2, 1), (2, 2), (4, 3), (4, 4)])


@given(arrays, st.integers(1, 3), st.data())
@settings(max_examples=25)
def test_any_matmul_on_any_array_equals_plain_loops_and_numpy(
    library: ctypes.CDLL, array: tuple[int, int], depth: int, draw: st.DataObject
) -> None:
    """One resident overlay, several shapes one after the other: only the stream and the command differ."""
    simulation: Simulation | None = None
    for shape in draw.draw(st.lists(shapes(*array, depth), min_size=1, max_size=3)):
        simulation = simulation or Simulation(matmul(shape), library=library)
        a, b = data(shape, seed=shape.steps)
        c, done = simulated(simulation, shape, a, b)
        np.testing.assert_array_equal(c.view(np.uint32), direct(shape, library, a, b).view(np.uint32))
        left = a.reshape(shape.rows, shape.groups, shape.steps, SIDE, SIDE).astype(np.float64)
        right = b.reshape(shape.columns, shape.tiles, shape.steps, SIDE, SIDE).astype(np.float64)
        product = np.einsum("rgkab,ctkbd->grtcad", left, right) + np.arange(shape.columns).reshape(1, 1, 1, -1, 1, 1)
        np.testing.assert_allclose(c.reshape(product.shape), product, atol=1e-4)
        cells = shape.groups * shape.tiles * shape.columns * shape.rows
        assert done.total_calls["mac"] == cells * shape.steps
        assert done.total_calls["out"] == done.total_calls["zero"] == cells


def test_two_runs_are_alike_to_the_last_count(library: ctypes.CDLL) -> None:
    shape = Shape(4, 4, 3, 3, 5, 2)
    a, b = data(shape, seed=1)
    runs = [simulated(Simulation(matmul(shape), library=library), shape, a, b) for _ in range(2)]
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]


@given(st.randoms(use_true_random=False), st.integers(1, 3))
@settings(max_examples=25)
def test_the_result_does_not_depend_on_who_goes_first(library: ctypes.CDLL, chance: Random, depth: int) -> None:
    """Routes, cores, channels and controller run in any order: none is forgotten, and the result is the same."""

    class Shuffled(deque[Process]):
        def popleft(self) -> Process:
            self.rotate(chance.randrange(len(self)))
            return super().popleft()

    shape = Shape(2, 2, 2, 3, 4, depth)
    a, b = data(shape, seed=3)
    with mock.patch("kernels.array.simulate.simulate.deque", Shuffled):
        c, _ = simulated(Simulation(matmul(shape), library=library), shape, a, b)
    np.testing.assert_array_equal(c, direct(shape, library, a, b))


def test_the_library_is_told_which_core_runs(library: ctypes.CDLL) -> None:
    """Rounding modes belong to a core: each of the four is selected before its kernels run, and no other."""
    shape = Shape(2, 2, 1, 1, 1, 2)
    before = [library.selected(number) for number in range(5)]
    simulated(Simulation(matmul(shape), library=library), shape, *data(shape, seed=2))
    after = [library.selected(number) for number in range(5)]
    assert [new > old for new, old in zip(after, before, strict=True)] == [True, True, True, True, False]


def test_a_kernel_that_the_library_lacks_is_named(library: ctypes.CDLL) -> None:
    shape = Shape(1, 1, 1, 1, 1, 1)
    design = replace(matmul(shape), kernels=(*KERNELS, replace(KERNELS[0], name="missing")))
    with pytest.raises(SimulationError, match="no function missing"):
        Simulation(design, library=library)
