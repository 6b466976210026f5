"""The programs of docs/first-light.md run on the simulated NPU and notice faults; their figures are not judged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.npu import first_light
from kernels.cost.report import cost
from kernels.package.folder import build
from npu.kernel_folders import Folders
from npu.runtime.npu import Npu, open_npu
from npu.simulated import Machine
from npu.stages.encoder import NpuEncoder
from npu.xrt.device import Device
from tests.kernels.array.scale import design, trial


@pytest.mark.parametrize(("elsewhere", "found"), [(0, 6), (2, 4)])
def test_contexts_are_counted_until_the_driver_refuses(tmp_path: Path, elsewhere: int, found: int) -> None:
    build(design(), trial(), tmp_path / "scale")
    machine = Machine(designs={"scale": design}, contexts_elsewhere=elsewhere)
    device = Device(machine.pyxrt, target="host")
    lines = list(first_light.contexts(lambda: device.load(tmp_path / "scale")))
    assert [line.partition(",")[0] for line in lines] == [f"first: {found} contexts", f"again: {found} contexts"]
    assert machine.contexts == 0


@pytest.fixture
def npu() -> Iterator[Npu]:
    with open_npu(Folders(target="host"), simulated=True) as opened:
        yield opened


@pytest.mark.slow
def test_launches_beside_the_model(npu: Npu) -> None:
    lines = list(first_light.launches(npu, "demo", int8=False, repeats=1))
    table = {line[:32].strip(): [float(value) for value in line[32:].split()] for line in lines[1:]}
    assert len(table) == 3 + 6
    assert all(len(row) == 2 and min(row) > 0 for row in table.values())
    modelled = cost("demo", "nominal", 1.0)
    assert table["modelled, 1.0 GHz, nominal"] == pytest.approx([modelled.mel, modelled.encoder], abs=0.01)


@pytest.mark.slow
def test_pauses(npu: Npu) -> None:
    lines = list(first_light.idle(npu, pauses=(0.1,)))
    assert [re.match(r"after +(\d+\.\d) s idle:", line)[1] for line in lines] == ["0.0", "0.1"]  # type: ignore[index]


@pytest.mark.slow
def test_a_soak_counts_what_differs(npu: Npu, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(first_light.soak(npu, "demo", 0.001, int8=False))[-1].startswith("end: 1 windows, 0 of them different")
    noise = np.random.default_rng(0)
    call = NpuEncoder.__call__
    monkeypatch.setattr(NpuEncoder, "__call__", lambda self, mel: call(self, mel) + noise.random())
    assert list(first_light.soak(npu, "demo", 0.001, int8=False))[-1].startswith("end: 1 windows, 1 of them different")
