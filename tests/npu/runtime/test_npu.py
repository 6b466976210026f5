"""The NPU of a process: each overlay loaded once, and nothing loaded after the end."""

from __future__ import annotations

import pytest

from kernels.package.verify import KernelFolder
from npu.errors import NpuUnavailable
from npu.runtime.npu import Npu
from npu.runtime.resident import Resident
from npu.simulated import Machine


def test_nothing_is_loaded_after_the_end(npu: Npu, resident: Resident, scale: KernelFolder) -> None:
    del resident
    npu.close()
    with pytest.raises(NpuUnavailable, match="it was closed"):
        npu.resident(scale)


def test_an_overlay_is_loaded_once(npu: Npu, resident: Resident, scale: KernelFolder, machine: Machine) -> None:
    assert npu.resident(scale) is resident
    assert machine.contexts == 1
