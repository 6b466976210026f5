"""Every kernel uses only the subset that both compilers have, and the host's headers define each of its names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kernels.host.compile import KERNELS, build
from tests.kernels.host.subset import NAMES, violations

SOURCES = sorted(path for path in KERNELS.rglob("*") if path.suffix in (".cc", ".h") and "include" not in path.parts)

OUTSIDE = {
    "auto y = aie::sqrt(x);": "aie::sqrt",
    "#include <cmath>": "cmath",
    '#include "nowhere/at_all.h"': "nowhere",
    "auto y = std::max(a, b);": "standard library",
    "float* p = (float*)malloc(4);": "heap",
    "auto y = aie::broadcast<float, 16>(0.5);": "without f",
    "static int calls = 0;": "share such state",
    "float mean = total * scale;": "scalar floats",
    "double x;": "double precision",
    "void f(int *restrict p);": "__restrict",
    "v16float x = y;": "compiler types",
}
INSIDE = [
    "constexpr float C = 0.5f;",
    "static constexpr int N = 16;",
    "static inline void f(float* __restrict p) {}",
    "auto x = aie::load_v<16>(p);  // std::max would be a double, 0.5",
    "/* malloc */ #include <aie_api/aie.hpp>",
    "auto y = aie::broadcast<float, 16>(1e-5f);",
    "for (unsigned v16 = 0; v16 < 1.5f * 2; v16++) {}",
]


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(KERNELS)) for path in SOURCES])
def test_kernels_keep_to_the_subset(path: Path) -> None:
    if path.name == "loops.h":
        pytest.skip("macros of both compilers")
    assert list(violations(path.read_text(), KERNELS)) == []


@pytest.mark.parametrize(("line", "word"), OUTSIDE.items(), ids=OUTSIDE.values())
def test_what_is_outside_is_found(line: str, word: str) -> None:
    assert [word in found for found in violations(f"\n{line}\n", KERNELS)] == [True]


@pytest.mark.parametrize("line", INSIDE)
def test_what_is_inside_passes(line: str) -> None:
    assert list(violations(line, KERNELS)) == []


def test_every_name_of_the_list_is_defined(tmp_path: Path) -> None:
    source = tmp_path / "names.cc"
    source.write_text("#include <aie_api/aie.hpp>\n" + "".join(f"using aie::{name};\n" for name in sorted(NAMES)))
    build([source], cache=tmp_path, optimise=0)


def test_no_kernel_has_state(tmp_path: Path) -> None:
    """No symbol in .data or .bss but the host's own registers (which are unique to the process, nm's type u)."""
    for source in SOURCES:
        if source.suffix == ".cc":
            library = build([source], optimise=0)
            symbols = subprocess.run(["nm", library._name], capture_output=True, text=True, check=True).stdout
            kept = [line for line in symbols.splitlines() if line.split()[-2] in "bBdD"]
            own = [
                line for line in kept if not line.split()[-1].startswith(("__", "_edata", "_end", "completed", "_DYN"))
            ]
            assert [line for line in own if "_GLOBAL_OFFSET_TABLE_" not in line] == [], source
