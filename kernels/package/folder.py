"""The writer of kernel folders: kernel.xclbin, insts/*.bin, selftest/*.bin and the manifest that describes them.

A folder for the target "host" is for the simulated device: in place of a configuration its xclbin names the design.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from kernels.array.check.check import check
from kernels.array.design import Design
from kernels.array.lower.encode import encode_all
from kernels.array.lower.mlir import to_mlir
from kernels.array.sequence import Sequence
from kernels.package import manifest as manifests
from kernels.package import verify
from kernels.package import xclbin as xclbins
from kernels.package.manifest import (
    FORMAT,
    Argument,
    File,
    FolderError,
    Judged,
    Manifest,
    SelfTest,
    SequenceFile,
    Target,
)
from kernels.selftest import Trial, expected
from kernels.toolchain.compile import KERNELS, CoreUse, compile_design
from kernels.toolchain.toolchain import MLIR_AIE, ProgramTooLarge, Toolchain, find

XCLBIN, STREAMS, SELFTEST = "kernel.xclbin", "insts", "selftest"
NOT_A_CHIP = "For the simulated device: no NPU can load it."
NOT_RUN = "Not run on hardware by whoever built it."
HOST_MODEL = "The expected results of the self-test come from the host-compiled kernels on the simulated array."
OTHER_VERSION = "Built with another {name} than the pinned one: {version}."


@dataclass(frozen=True, slots=True)
class _TargetFiles:
    """The parts of a kernel folder that differ between the targets: simulated device ("host") and chip ("npu1")."""

    xclbin: bytes
    streams: Mapping[str, bytes]
    cores: tuple[CoreUse, ...]
    tools: dict[str, str]
    caveats: tuple[str, ...]


def build(design: Design, trial: Trial, out: Path, target: Target = "host", tools: Toolchain | None = None) -> Manifest:
    """Write the kernel folder (loadable files and manifest) of a design and its self-test, and return its manifest.

    A build that fails leaves nothing in ``out``. ``tools`` (default: those of this machine) compile for "npu1".

    >>> entry = ENTRIES["mel_80"]  # kernels.registry
    >>> build(entry.make(()), entry.trial(), Path("build/kernels/host/mel_80"))

    Raises DesignError for a design that ``check`` refuses, ToolchainError for missing compilers and refused results,
    FolderError if ``out`` exists or cannot be written, and CompileError without a host compiler.
    """
    if out.exists():
        raise FolderError(str(out), "exists already; remove it or name another folder.")
    check(design)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-")
    except OSError as error:
        raise FolderError(str(out.parent), f"cannot be written ({error.strerror}); name another folder.") from error
    with temporary as work:
        files = _host(design) if target == "host" else _npu(design, Path(work), tools or find())
        folder = Path(work, "folder")
        manifest = _write(design, trial, files, target, folder)
        manifests.write(manifest, folder)
        verify.read(folder)
        folder.rename(out)
    return manifest


def build_what_fits(
    choices: Iterable[Iterable[tuple[Design, Trial]]], out: Path, target: Target, tools: Toolchain | None = None
) -> tuple[Manifest, ...]:
    """Build the first of several choices of designs whose programs all fit their cores; return the manifests.

    Each design goes into its own folder in ``out``. Give the choice with the fused overlay first, then the one with
    separate overlays: only the compiler knows if a program fits. Raises as ``build`` does, and ProgramTooLarge if no
    choice fits.
    """
    out.mkdir(parents=True, exist_ok=True)
    refusals: list[str] = []
    for choice in choices:
        with tempfile.TemporaryDirectory(dir=out, prefix=".") as scratch:
            try:
                built = [_build_new(design, trial, Path(scratch), out, target, tools) for design, trial in choice]
            except ProgramTooLarge as error:
                refusals.append(str(error))
                continue
            for manifest in built:
                Path(scratch, manifest.design).rename(out / manifest.design)
            return tuple(built)
    raise ProgramTooLarge("\n".join(refusals))


def _build_new(
    design: Design, trial: Trial, scratch: Path, out: Path, target: Target, tools: Toolchain | None
) -> Manifest:
    if (out / design.name).exists():
        raise FolderError(str(out / design.name), "exists already; remove it or name another folder.")
    return build(design, trial, scratch / design.name, target, tools)


def overlay_hash(design: Design) -> str:
    """Return the SHA-256 (hex) of the part of a design that is loaded on the array.

    The hash covers the MLIR text without sequences, the C++ files of the design, and all C++ headers of ``kernels`` but
    the host's.
    """
    digest = hashlib.sha256(to_mlir(replace(design, sequences=())).encode())
    for source in design.sources:
        digest.update((KERNELS / source).read_bytes())
    for header in sorted(path for path in KERNELS.rglob("*.h") if "host" not in path.relative_to(KERNELS).parts):
        digest.update(header.read_bytes())
    return digest.hexdigest()


def _host(design: Design) -> _TargetFiles:
    fingerprint = overlay_hash(design)
    description = {"design": design.name, "columns": design.columns, "overlay_sha256": fingerprint}
    return _TargetFiles(
        xclbins.write_simulated(UUID(fingerprint[:32]), design.columns, json.dumps(description).encode()),
        encode_all(design),
        (),
        {"mlir-aie": f"streams as of {MLIR_AIE}, written without it"},
        (NOT_A_CHIP, HOST_MODEL),
    )


def _npu(design: Design, work: Path, tools: Toolchain) -> _TargetFiles:
    folder = work / "compile"
    folder.mkdir()
    compiled = compile_design(design, tools, folder)
    others = [OTHER_VERSION.format(name=name, version=tools.versions[name]) for name in tools.others]
    caveats = (NOT_RUN, HOST_MODEL, *others)
    return _TargetFiles(compiled.xclbin, compiled.streams, compiled.cores, dict(tools.versions), caveats)


def _write(design: Design, trial: Trial, files: _TargetFiles, target: Target, folder: Path) -> Manifest:
    for name in (STREAMS, SELFTEST):
        (folder / name).mkdir(parents=True)
    overlay = xclbins.read(files.xclbin)
    return Manifest(
        format=FORMAT,
        design=design.name,
        target=target,
        kernel=overlay.kernel,
        uuid=str(overlay.uuid),
        columns=design.columns,
        parameters=dict(sorted(design.defines.items())),
        overlay_sha256=overlay_hash(design),
        xclbin=_file(folder, XCLBIN, files.xclbin),
        sequences=tuple(_stream(sequence, files.streams[sequence.name], folder) for sequence in design.sequences),
        selftest=_selftest(design, trial, folder),
        cores=files.cores,
        tools=files.tools,
        caveats=files.caveats,
    )


def _stream(sequence: Sequence, stream: bytes, folder: Path) -> SequenceFile:
    arguments = tuple(
        Argument(name, block.dtype, (block.elements,), block.nbytes) for name, block in sequence.arguments
    )
    return SequenceFile(sequence.name, _file(folder, f"{STREAMS}/{sequence.name}.bin", stream), arguments)


def _selftest(design: Design, trial: Trial, folder: Path) -> SelfTest:
    inputs = [_file(folder, f"{SELFTEST}/{n}.in.bin", data.tobytes()) for n, data in enumerate(trial.arguments)]
    outputs = [
        file if (after == before).all() else _file(folder, f"{SELFTEST}/{n}.out.bin", after.tobytes())
        for n, (file, before, after) in enumerate(zip(inputs, trial.arguments, expected(design, trial), strict=True))
    ]
    judged = tuple(
        Judged(part.name, part.argument, part.block.dtype, part.offset, part.block.elements, part.tolerance)
        for part in trial.results
    )
    return SelfTest(trial.sequence, tuple(inputs), tuple(outputs), judged)


def _file(folder: Path, path: str, data: bytes) -> File:
    (folder / path).write_bytes(data)
    return File.of(folder, path)
