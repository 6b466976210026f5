from __future__ import annotations

from pathlib import Path

import pytest

from server.machine.cpu import CPUINFO, cpu_flags

TWO_CORES = """\
processor\t: 0
flags\t\t: fpu avx2 avx512f amx_bf16
bugs\t\t: spectre_v1

processor\t: 1
flags\t\t: fpu avx2 avx512f
"""


def test_flags_are_those_that_every_core_has(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(TWO_CORES)
    assert cpu_flags(cpuinfo) == {"fpu", "avx2", "avx512f"}


@pytest.mark.parametrize("text", ["", "processor : 0\n", "\xff\n"])
def test_a_list_without_flags_is_no_flags(tmp_path: Path, text: str) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text, encoding="latin-1")
    assert cpu_flags(cpuinfo) == frozenset()


def test_no_list_is_no_flags(tmp_path: Path) -> None:
    assert cpu_flags(tmp_path / "absent") == frozenset()


@pytest.mark.skipif(not CPUINFO.exists(), reason="this system has no /proc/cpuinfo")
def test_this_machine_has_flags() -> None:
    assert cpu_flags()
