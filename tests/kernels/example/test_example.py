"""The example kernel, from its function to its kernel folder. A test like this one belongs to every new kernel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kernels.array.check.check import check
from kernels.array.lower.encode import encode
from kernels.array.simulate.simulate import Simulation
from kernels.example.cycles import cycles
from kernels.example.design import ROWS, SEQUENCE, WIDTH, design, gains
from kernels.example.reference import ERROR, by_kernel, exact, values
from kernels.example.selftest import trial
from kernels.host.numerics import Rounding, to_bfloat16
from kernels.package.folder import build
from kernels.package.verify import read
from kernels.selftest import expected


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_kernel_is_as_exact_as_it_says(scale: float) -> None:
    x = to_bfloat16(scale * np.random.default_rng(2).standard_normal((9, WIDTH), np.float32), Rounding.CONV_EVEN)
    wanted = exact(x, gains())
    np.testing.assert_allclose(values(by_kernel(x, gains())), wanted, rtol=ERROR, atol=0)


def test_infinities_stay_and_nan_stays_nan() -> None:
    x = np.full((1, WIDTH), 0x3F80, np.uint16)
    x[0, :3] = 0x7F80, 0xFF80, 0x7FC0
    positive, negative, nan = by_kernel(x, gains())[0, :3]
    assert (positive, negative) == (0x7F80, 0xFF80)
    assert nan & 0x7FFF > 0x7F80


def test_the_design_keeps_to_the_limits() -> None:
    report = check(design())
    assert not report.warnings
    assert report.tile(0, 2).descriptors == (4,)


def test_the_simulated_array_computes_what_plain_calls_compute() -> None:
    x, y = (argument.copy() for argument in trial().arguments)
    launch = Simulation(design()).run(encode(design(), SEQUENCE), [x, y])
    plain = by_kernel(x.view(np.uint16).reshape(ROWS, WIDTH), gains())
    np.testing.assert_array_equal(y.view(np.uint16).reshape(ROWS, WIDTH), plain)
    assert launch.total_calls == {"gain": ROWS}


def test_the_kernel_folder(tmp_path: Path) -> None:
    build(design(), trial(), tmp_path / "gain", "host")
    folder = read(tmp_path / "gain")
    assert folder.streams == {"rows": encode(design(), SEQUENCE)}
    assert folder.expected()[1] == expected(design(), trial())[1].tobytes()


def test_the_cycles_of_the_readme() -> None:
    text = (Path(__file__).parents[3] / "kernels" / "example" / "README.md").read_text()
    counted = cycles()["gain"]
    assert f"{counted.best} cycles at best, {counted.nominal} if no pass" in " ".join(text.split())
