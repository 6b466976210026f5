"""Compiling kernels on the host: the cache, what is refused, and the registers that belong to a core."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kernels.host.compile import NATIVE, CompileError, build, check, default_compiler
from kernels.host.lint import compilers, complaints
from kernels.host.numerics import Rounding, Saturation
from tests.kernels.host.conftest import Probes

ADD = 'extern "C" int add(int a) { return a + STEP; }\n'
HEAD = "#include <aie_api/aie.hpp>\nusing namespace aie;\n"

MISSING = {
    "float product": "auto f(vector<float, 16> v) { return mul(v, v); }",
    "float comparison": "auto f(vector<float, 16> v) { return lt(v, v); }",
    "float maximum": "auto f(vector<float, 16> v) { return max(v, v); }",
    "float magnitude": "auto f(vector<float, 16> v) { return abs(v); }",
    "float reciprocal": "auto f(vector<float, 16> v) { return inv(v); }",
    "32-bit product": "auto f(vector<int32, 16> v) { return mul(v, v); }",
    "shape": "mmul<8, 8, 8, bfloat16, bfloat16> tile;",
    "accumulator to another kind": "auto f(accum<accfloat, 16> a) { return a.to_vector<int32>(); }",
}

FOUND = {"g++": 14, "g++-14": 14, "clang++": 17, "clang++-17": 17, "clang++-19": 19, "x86_64-linux-gnu-g++-13": 13}


@pytest.mark.parametrize("body", MISSING.values(), ids=MISSING.keys())
def test_what_aie2_lacks_does_not_compile(body: str, tmp_path: Path) -> None:
    source = tmp_path / "kernel.cc"
    source.write_text(f"{HEAD}{body}\n")
    with pytest.raises(CompileError, match=r"kernel\.cc do not compile on the host:\n(.|\n)*error"):
        build([source], cache=tmp_path, optimise=0)


def test_a_library_is_compiled_once_for_the_same_text_and_defines(tmp_path: Path) -> None:
    source = tmp_path / "add.cc"
    source.write_text(ADD)
    first = build([source], {"STEP": 2}, cache=tmp_path)
    assert first.add(40) == 42
    again = build([source], {"STEP": 2}, cache=tmp_path)
    assert again._name == first._name
    assert build([source], {"STEP": 3}, cache=tmp_path).add(40) == 43
    source.write_text(ADD.replace("+", "-"))
    assert build([source], {"STEP": 2}, cache=tmp_path).add(40) == 38


def test_sources_become_one_library(tmp_path: Path) -> None:
    (tmp_path / "a.cc").write_text('int twice(int a);\nextern "C" int f(int a) { return twice(a) + 1; }\n')
    (tmp_path / "b.cc").write_text("int twice(int a) { return 2 * a; }\n")
    assert build([tmp_path / "a.cc", tmp_path / "b.cc"], cache=tmp_path).f(4) == 9


def test_a_warning_stops_no_build_but_the_lint(tmp_path: Path) -> None:
    source = tmp_path / "warned.cc"
    source.write_text('extern "C" int answer() { int unused; return 42; }\n')
    assert build([source], cache=tmp_path).answer() == 42
    with pytest.raises(CompileError, match="unused"):
        check(source, default_compiler(), NATIVE, cache=tmp_path)


def test_compilers_are_found_by_name_and_once_for_each_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version in FOUND.items():
        (tmp_path / name).write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compilers() == ["g++", "clang++", "clang++-19"]


def test_the_lint_says_which_compiler_warns_for_which_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernels.host.compile.CACHE", tmp_path)
    clean, warned = tmp_path / "clean.cc", tmp_path / "warned.cc"
    clean.write_text("int answer() { return 42; }\n")
    warned.write_text("#ifdef __AVX__\nint answer() { int unused; return 42; }\n#endif\n")
    found = complaints([default_compiler()], ["x86-64-v2", "x86-64-v3", "no-such-processor"], [clean, warned])
    assert [bool(texts) for texts in found.values()] == [False, True]
    assert [pair.rpartition(" ")[2] for pair in found] == ["-march=x86-64-v2", "-march=x86-64-v3"]


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    (tmp_path / "a.cc").write_text(ADD)
    with pytest.raises(CompileError, match="no-such-compiler is not installed"):
        build([tmp_path / "a.cc"], {"STEP": 1}, march="x86-64-v2", cache=tmp_path)


def test_each_core_has_its_own_registers(probes: Probes) -> None:
    library = probes.library
    for core in (3, 4):
        library.host_reset_core(core)
    library.host_select_core(3)
    probes.modes(Rounding.CONV_EVEN, Saturation.SATURATE)
    library.host_select_core(4)
    assert library.get_modes() == Rounding.FLOOR * 16 + Saturation.NONE
    assert probes("narrow_acc64_int16", [np.full(16, 3)], np.zeros(16, np.int16), integers=(1,))[0] == 1
    library.host_select_core(3)
    assert library.get_modes() == Rounding.CONV_EVEN * 16 + Saturation.SATURATE
    assert probes("narrow_acc64_int16", [np.full(16, 3)], np.zeros(16, np.int16), integers=(1,))[0] == 2
    library.host_reset_core(3)
    assert library.get_modes() == 0
    library.host_select_core(0)


TRAPS = {
    "misaligned load": "void f(const int16* p, int16* q) { store_v(q, load_v<16>(p + 1)); }",
    "misaligned store": "void f(const int16* p, int16* q) { store_v(q + 2, load_v<16>(p)); }",
    "shift that AIE2 ignores": "void f(const int32* p, int32* q)"
    " { store_v(q, accum<acc32, 8>(load_v<8>(p)).to_vector<int32>(1)); }",
}
RUN = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
room = ctypes.create_string_buffer(4096)
start = -(-ctypes.addressof(room) // 64) * 64
library.f(ctypes.c_void_p(start), ctypes.c_void_p(start + 1024))
"""


@pytest.mark.parametrize("body", TRAPS.values(), ids=TRAPS.keys())
def test_what_would_silently_go_wrong_on_a_core_stops_the_process(body: str, tmp_path: Path) -> None:
    source = tmp_path / "kernel.cc"
    source.write_text(f'{HEAD}extern "C" {body}\n')
    library = build([source], cache=tmp_path, optimise=0)
    done = subprocess.run([sys.executable, "-c", RUN, library._name], capture_output=True, check=False)
    assert done.returncode == -signal.SIGABRT
    assert b"are ignored" in done.stderr or b"is ignored" in done.stderr
