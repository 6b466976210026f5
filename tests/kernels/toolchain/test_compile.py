"""The build for the NPU, with fake compilers. Not run with the real compilers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kernels.package.folder import build, build_what_fits
from kernels.package.manifest import FolderError, Manifest
from kernels.package.verify import read
from kernels.toolchain import toolchain
from kernels.toolchain.compile import START_STACK, CoreUse
from kernels.toolchain.toolchain import ProgramTooLarge, ToolchainError, find
from tests.kernels.array.scale import design, trial
from tests.kernels.toolchain.fake_compilers import FakeCompilers
from tests.kernels.toolchain.object_files import Code, make

KERNELS = {"command": Code(32), "scale": Code(256, ("part",)), "part": Code(128)}
CALLS = ("command", "scale", "prm0", "table0")
ONE_CORE = replace(design(), cores=design().cores[:1])


@pytest.fixture
def tools(tmp_path: Path) -> FakeCompilers:
    return FakeCompilers(tmp_path / "tools", ONE_CORE, KERNELS, Code(64, CALLS))


def built(tools: FakeCompilers) -> Manifest:
    """Build the kernel folder of ``tools.design`` with fake compilers; the self-test is that of the whole design."""
    out = tools.root.parent / "out"
    return build(tools.design, trial(), out, "npu1", find(tools.ready()))


@pytest.fixture(autouse=True)
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the other parts of a build, which other tests cover: the fake compilers measure one core only."""
    monkeypatch.setattr("kernels.package.folder.check", lambda _: None)
    monkeypatch.setattr("kernels.package.folder.expected", lambda _, trial: trial.arguments)


def test_a_folder_for_the_npu(tools: FakeCompilers) -> None:
    manifest = built(tools)
    assert manifest.target == "npu1"
    assert manifest.cores == (CoreUse("(0, 2)", 4_096, START_STACK + 64 + 256 + 128, 1_024),)
    assert "Not run on hardware by whoever built it." in manifest.caveats
    assert manifest.tools["aiecc"].startswith("979629649")
    folder = read(tools.root.parent / "out")
    assert folder.xclbin.simulated is None
    assert {path.name for path in folder.path.iterdir()} == {"kernel.xclbin", "insts", "selftest", "manifest.json"}


def test_how_the_compilers_are_run(tools: FakeCompilers) -> None:
    built(tools)
    (kernel,) = tools.calls("clang++")
    assert {"--target=aie2-none-unknown-elf", "-std=c++20", "-fstack-size-section", "-c"} <= set(kernel)
    assert f"-I{tools.root}/mlir_aie/include" in kernel
    (aiecc,) = tools.calls("aiecc")
    assert {"--alloc-scheme=basic-sequential", "--aie-generate-xclbin", "--no-xchesscc", "design.mlir"} <= set(aiecc)
    assert f"--peano={tools.peano}" in aiecc
    (llc,) = tools.calls("llc")
    assert {"--march=aie2", "--stack-size-section"} <= set(llc)


def test_compilers_that_write_nothing(tools: FakeCompilers) -> None:
    tools.plan["clang++"]["files"] = {}
    with pytest.raises(ToolchainError, match=r"scale\.o was not written, though no compiler failed"):
        built(tools)


def kernels(tools: FakeCompilers, **changed: Code) -> None:
    """Change functions in the object file that the fake compiler gives for the kernels."""
    tools.prepared("kernel.o", make({**KERNELS, **changed}))


def overflow(tools: FakeCompilers) -> None:
    """Let a kernel use 4 KB of stack where 1 KB is reserved, as one of the first kernels did."""
    kernels(tools, scale=Code(4_096))


def large(tools: FakeCompilers) -> None:
    tools.prepared("core_0_2.elf", make({"main": Code(size=16_385)}))


def other_stream(tools: FakeCompilers) -> None:
    path = tools.root / "prepared" / "run.bin"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")


def lost(name: str) -> Callable[[FakeCompilers], None]:
    def lose(tools: FakeCompilers) -> None:
        files = tools.plan["aiecc"]["files"]
        assert isinstance(files, dict)
        tools.plan["aiecc"]["files"] = {source: target for source, target in files.items() if not target.endswith(name)}

    return lose


def plan(program: str, **changes: object) -> Callable[[FakeCompilers], None]:
    return lambda tools: tools.plan[program].update(changes)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            overflow,
            r"Core \(0, 2\) uses up to 4,224 bytes of stack and reserves 1,024; it would write over its buffers",
        ),
        (large, r"Core \(0, 2\) has a program of 16,385 bytes; it holds 16,384"),
        (lambda tools: kernels(tools, scale=Code(0, ("__addsf3",))), r"stack of __addsf3 is not known"),
        (lambda tools: kernels(tools, scale=Code(0, ("scale",))), "scale -> scale go round"),
        (lambda tools: kernels(tools, scale=Code(None)), "stack of scale is not known"),
        (other_stream, r"aiecc wrote another instruction stream for sequence run \(516 bytes, 516 expected\)"),
        (lost("kernel.xclbin"), "kernel.xclbin was not written.*xclbinutil"),
        (lost(".bin"), "main_run.bin was not written"),
        (lost(".elf"), "main_core_0_2.elf was not written"),
        (lost(".script"), "main_core_0_2.ld.script was not written"),
        (
            plan("clang++", exit=1, print="k.cc:3: error: no mmul<8, 8, 8>"),
            r"clang\+\+ ended with 1:\nk.cc:3: error: no mmul",
        ),
        (plan("aiecc", exit=1, print="'aie.tile' op allocated buffers exceeded"), "allocated buffers exceeded"),
        (plan("llc", exit=-11), "llc ended with"),
        (lambda tools: tools.prepared("kernel.o", b"no object"), "scale.o: Not an ELF file"),
    ],
)
def test_what_is_refused(tools: FakeCompilers, damage: Callable[[FakeCompilers], object], message: str) -> None:
    damage(tools)
    with pytest.raises(ToolchainError, match=message):
        built(tools)
    assert [path.name for path in tools.root.parent.iterdir()] == ["tools"]  # nothing is left


def test_the_first_choice_that_fits_is_built(tools: FakeCompilers, tmp_path: Path) -> None:
    """The fused overlay is too large for its cores, the smaller one is not."""
    large(tools)
    smaller = replace(ONE_CORE, name="smaller", cores=())
    found, out = find(tools.ready()), tmp_path / "kernels"
    choices = [[(smaller, trial()), (ONE_CORE, trial())], [(smaller, trial())]]
    (manifest,) = build_what_fits(choices, out, "npu1", found)
    assert (manifest.design, [path.name for path in out.iterdir()]) == ("smaller", ["smaller"])
    with pytest.raises(FolderError, match="exists already"):
        build_what_fits(choices, out, "npu1", found)
    with pytest.raises(ProgramTooLarge, match="16,385 bytes"):
        build_what_fits([[(ONE_CORE, trial())]], out, "npu1", found)


def test_a_stack_that_just_fits(tools: FakeCompilers) -> None:
    kernels(tools, scale=Code(1_024 - START_STACK - 64))
    assert built(tools).cores[0].stack == 1_024


def test_a_compiler_that_hangs(tools: FakeCompilers, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.plan["aiecc"]["sleep"] = 60
    found = find(tools.ready())
    monkeypatch.setattr(
        "kernels.toolchain.compile.run", lambda command, folder: toolchain.run(command, folder, seconds=1.0)
    )
    with pytest.raises(ToolchainError, match="aiecc took more than 1 s"):
        build(tools.design, trial(), tools.root.parent / "out", "npu1", found)


def test_a_compiler_that_babbles_for_ever(tools: FakeCompilers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "LOG_BYTES", 1 << 20)
    tools.plan["aiecc"]["babble"] = True
    with pytest.raises(ToolchainError, match=r"aiecc printed more than 1,048,576 bytes:\n.*could not be unrolled"):
        built(tools)


def test_nothing_is_installed(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError) as caught:
        find({"PATH": str(tmp_path)})
    text = str(caught.value)
    assert "Install mlir-aie at commit 979629649" in text
    assert "Install Peano, the wheel llvm-aie 21.0.0.2026052001+5ed15934" in text
    assert "Install XRT's xclbinutil" in text


@pytest.mark.parametrize(
    ("program", "named", "silent"), [("bin/llc", "Peano", "mlir-aie at"), ("bin/xclbinutil", "xclbinutil", "Peano")]
)
def test_only_what_is_missing_is_named(tools: FakeCompilers, program: str, named: str, silent: str) -> None:
    for home in (tools.peano, tools.bin.parent):
        (home / program).unlink(missing_ok=True)
    with pytest.raises(ToolchainError) as caught:
        find(tools.ready())
    assert f"Install {named}" in str(caught.value) or f"Install XRT's {named}" in str(caught.value)
    assert silent not in str(caught.value)


@pytest.mark.parametrize(
    ("program", "version", "message"),
    [
        ("aiecc", "aiecc (C++ version) abcdef0123", "aiecc is abcdef0123. Install mlir-aie at commit 979629649"),
        ("aiecc", "aiecc 1.0 (python)", "aiecc is of unknown version"),
        ("clang++", "Debian clang version 14.0.6", "peano is 14.0.6. Install Peano"),
    ],
)
def test_other_versions(tools: FakeCompilers, program: str, version: str, message: str) -> None:
    tools.plan[program]["version"] = version
    with pytest.raises(ToolchainError, match=message.replace("(", r"\(")):
        find(tools.ready())
    taken = find(tools.ready(), any_version=True)
    manifest = build(tools.design, trial(), tools.root.parent / "out", "npu1", taken)
    assert any(caveat.startswith("Built with another") for caveat in manifest.caveats)


def test_the_wheel_beside_tells_the_version(tools: FakeCompilers) -> None:
    tools.plan["clang++"]["version"] = "clang version 21.0.0"
    (tools.root / f"llvm_aie-{toolchain.PEANO}.dist-info").mkdir()
    assert find(tools.ready()).versions["peano"] == toolchain.PEANO


def test_peano_is_found_beside_aiecc(tools: FakeCompilers) -> None:
    environment = {"MLIR_AIE_INSTALL_DIR": str(tools.bin.parent), "PATH": ""}
    tools.ready()
    assert find(environment).peano == tools.peano
