"""Compile a design with the chip's compilers, and refuse the result if stack or program memory overflow.

No real Peano has run here: every step is tested with programs that stand in for the compilers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kernels.array.design import Design
from kernels.array.hardware import PROGRAM_BYTES
from kernels.array.lower.encode import encode_all
from kernels.array.lower.mlir import object_file, to_mlir
from kernels.array.program import Core
from kernels.toolchain import elf
from kernels.toolchain.toolchain import ProgramTooLarge, Toolchain, ToolchainError, run

KERNELS = Path(__file__).parents[1]
TEXT, XCLBIN, SCRATCH = "design.mlir", "kernel.xclbin", "aie"
KERNEL_FLAGS = (
    "--target=aie2-none-unknown-elf",
    "-std=c++20",
    "-O2",
    "-DNDEBUG",
    "-ffunction-sections",
    "-fstack-size-section",
)
LLC_FLAGS = ("-O2", "--march=aie2", "--function-sections", "--stack-size-section", "--filetype=obj")
START_STACK = 64  # bytes of the start-up code that calls the core's function [guess]


@dataclass(frozen=True, slots=True)
class CoreUse:
    """The memory, in bytes, that the compiled program of one core takes.

    ``tile`` names the core, ``program`` is its code, ``stack`` the deepest stack that it can need, and
    ``reserved_stack`` the stack that the design reserves.
    """

    tile: str
    program: int
    stack: int
    reserved_stack: int


@dataclass(frozen=True, slots=True)
class Compiled:
    """The compilers' output for a design: the xclbin, and the instruction stream of each sequence by name.

    ``cores`` has the memory that each core's program takes.
    """

    xclbin: bytes
    streams: Mapping[str, bytes]
    cores: tuple[CoreUse, ...]


def compile_design(design: Design, tools: Toolchain, folder: Path) -> Compiled:
    """Compile the kernels and the design in ``folder``, which must be empty, and return the results.

    Raises ToolchainError if a compiler fails, if its instruction streams differ from those of ``encode``, and for cores
    whose stack does not fit or cannot be determined; ProgramTooLarge for a core whose program does not fit.
    """
    kernels = elf.merged(_kernel(source, design, tools, folder) for source in design.sources)
    (folder / TEXT).write_text(to_mlir(design), encoding="utf-8")
    run(
        [
            tools.aiecc,
            "--alloc-scheme=basic-sequential",
            "--aie-generate-xclbin",
            f"--xclbin-name={XCLBIN}",
            "--aie-generate-npu-insts",
            "--npu-insts-name={0}_{1}.bin",
            "--no-compile-host",
            "--no-xchesscc",
            "--no-xbridge",
            f"--peano={tools.peano}",
            f"--tmpdir={folder / SCRATCH}",
            TEXT,
        ],
        folder,
    )
    return Compiled(
        _result(folder / XCLBIN).read_bytes(),
        {name: _stream(name, encoded, folder) for name, encoded in encode_all(design).items()},
        tuple(_use(core, kernels, tools, folder / SCRATCH) for core in design.cores),
    )


def _kernel(source: Path, design: Design, tools: Toolchain, folder: Path) -> elf.ObjectFile:
    target = folder / object_file(source)
    defines = [f"-D{name}={value}" for name, value in sorted(design.defines.items())]
    places = [f"-I{tools.include}", f"-I{KERNELS}"]
    clang = tools.peano / "bin" / "clang++"
    run([clang, *KERNEL_FLAGS, *defines, *places, "-c", KERNELS / source, "-o", target], folder)
    return _object(target)


def _stream(name: str, encoded: bytes, folder: Path) -> bytes:
    data = _result(folder / f"main_{name}.bin").read_bytes()
    if data != encoded:
        raise ToolchainError(
            f"aiecc wrote another instruction stream for sequence {name} ({len(data)} bytes, {len(encoded)} expected); "
            "use the pinned mlir-aie."
        )
    return data


def _use(core: Core, kernels: Mapping[str, elf.CompiledFunction], tools: Toolchain, scratch: Path) -> CoreUse:
    """Measure the program and the stack of one compiled core.

    The program's size is read from the linked file; the core's function is compiled again to record its stack size.
    Raises ToolchainError or ProgramTooLarge if one of the two does not fit.
    """
    name = f"core_{core.tile.col}_{core.tile.row}"
    program = _object(scratch / f"main_{name}.elf").text
    sized = scratch / f"{name}.sized.o"
    run([tools.peano / "bin" / "llc", _result(scratch / f"main_{name}.opt.ll"), *LLC_FLAGS, "-o", sized], scratch)
    script = _result(scratch / f"main_{name}.ld.script").read_text(encoding="utf-8")
    buffers = set(re.findall(r"^\s*(\w+) = \.;", script, re.MULTILINE))
    functions = {**kernels, **_object(sized).functions}
    try:
        stack = START_STACK + elf.deepest(functions, name, buffers)
    except elf.ObjectError as error:
        raise ToolchainError(f"Core {core.tile}: {error}") from None
    if stack > core.stack_bytes:
        raise ToolchainError(
            f"Core {core.tile} uses up to {stack:,} bytes of stack and reserves {core.stack_bytes:,}; it would write "
            "over its buffers. Give the core more stack_bytes, or its kernels smaller arrays."
        )
    if program > PROGRAM_BYTES:
        raise ProgramTooLarge(
            f"Core {core.tile} has a program of {program:,} bytes; it holds {PROGRAM_BYTES:,}. "
            "Build the separate overlays instead of the fused one, or make the kernels smaller."
        )
    return CoreUse(str(core.tile), program, stack, core.stack_bytes)


def _result(path: Path) -> Path:
    """Return ``path`` if the file exists, because aiecc silently skips steps whose tools are missing.

    Raises ToolchainError otherwise.
    """
    if not path.is_file():
        raise ToolchainError(f"{path.name} was not written, though no compiler failed; is XRT's xclbinutil on PATH?")
    return path


def _object(path: Path) -> elf.ObjectFile:
    try:
        return elf.read(_result(path).read_bytes())
    except elf.ObjectError as error:
        raise ToolchainError(f"{path.name}: {error}") from None
