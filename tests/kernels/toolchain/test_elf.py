"""Stack and program size from object files."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.toolchain.elf import CompiledFunction, ObjectError, deepest, merged, read
from tests.kernels.toolchain.object_files import Code, make

PROGRAM = {
    "main": Code(64, ("kernel", "other", "buffer")),
    "kernel": Code(320, ("helper",)),
    "other": Code(600),
    "helper": Code(416, ()),
}


def test_frames_calls_and_size() -> None:
    file = read(make(PROGRAM))
    assert file.functions == {
        name: CompiledFunction(code.frame, frozenset(code.calls)) for name, code in PROGRAM.items()
    }
    assert file.text == 4 * 64


def test_the_deepest_chain_counts() -> None:
    functions = read(make(PROGRAM)).functions
    assert deepest(functions, "main", {"buffer"}) == 64 + 320 + 416
    assert deepest(functions, "other") == 600


def test_over_several_objects() -> None:
    files = [read(make({"main": Code(16, ("kernel",))})), read(make({"kernel": Code(1 << 14)}))]
    assert deepest(merged(files), "main") == 16 + (1 << 14)


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({"main": Code(0, ("__addsf3",))}, r"stack of __addsf3 is not known \(main -> __addsf3\)"),
        ({"main": Code(None)}, "stack of main is not known"),
        ({"other": Code(0)}, "stack of main is not known"),
        ({"main": Code(0, ("a",)), "a": Code(0, ("b",)), "b": Code(0, ("a",))}, "main -> a -> b -> a go round"),
    ],
)
def test_what_cannot_be_known(functions: dict[str, Code], message: str) -> None:
    with pytest.raises(ObjectError, match=message):
        deepest(read(make(functions)).functions, "main")


@given(st.binary(max_size=200) | st.integers(0, 400).map(lambda cut: make(PROGRAM)[:cut]))
def test_other_files(data: bytes) -> None:
    with pytest.raises(ObjectError):
        read(data)


@given(st.data())
def test_damaged_objects(data: st.DataObject) -> None:
    broken = bytearray(make(PROGRAM))
    for _ in range(3):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ObjectError):
        deepest(read(bytes(broken)).functions, "main", {"buffer"})


CLANG = shutil.which("clang++") or shutil.which("clang++-22")


@pytest.mark.skipif(CLANG is None, reason="clang++ is not installed")
def test_objects_of_a_real_compiler(tmp_path: Path) -> None:
    source, target = tmp_path / "k.cc", tmp_path / "k.o"
    source.write_text(
        'extern "C" float soft(float);\n'
        "static __attribute__((noinline)) int helper(int *p) {\n"
        "  volatile int a[100]; for (int i = 0; i < 100; i++) a[i] = p[i]; return a[3]; }\n"
        'extern "C" int entry(int *p) { volatile char b[1000]; b[3] = 1; return helper(p) + b[3]; }\n'
        'extern "C" float lib(float x) { return soft(x) + 1; }\n'
    )
    command = [str(CLANG), "-O2", "-c", "-ffunction-sections", "-fstack-size-section", str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    functions = read(target.read_bytes()).functions
    assert deepest(functions, "entry") >= 272 + 1  # 128 bytes of red zone may hold the rest
    with pytest.raises(ObjectError, match="stack of soft is not known"):
        deepest(functions, "lib")
