"""The reader of kernel folders, which compares every part with the manifest and the other parts.

A loader reads the folder before it opens a device.
"""

from __future__ import annotations

import hashlib
import json
import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kernels.array.hardware import WORD_BYTES
from kernels.array.lower.stream import ShimTask, tasks
from kernels.array.lower.transaction import decode
from kernels.array.tile import ITEM_BYTES
from kernels.errors import StreamError
from kernels.package import manifest as manifests
from kernels.package import xclbin as xclbins
from kernels.package.axlf import XclbinError
from kernels.package.manifest import Argument, File, FolderError, Manifest, SequenceFile
from kernels.package.xclbin import Xclbin

AGAIN = "copy or build the folder again."


@dataclass(frozen=True, slots=True)
class KernelFolder:
    """A kernel folder (a compiled overlay with its manifest and self-test) that was read and whose parts agree.

    ``streams`` has the instruction stream of each sequence by name.
    """

    path: Path
    manifest: Manifest
    xclbin: Xclbin
    streams: Mapping[str, bytes]

    def inputs(self) -> tuple[bytes, ...]:
        """Read the launch arguments of the self-test as they are before the launch, outputs included."""
        return tuple((self.path / file.path).read_bytes() for file in self.manifest.selftest.inputs)

    def expected(self) -> tuple[bytes, ...]:
        """Read the launch arguments of the self-test as the launch must leave them, computed by the host model."""
        return tuple((self.path / file.path).read_bytes() for file in self.manifest.selftest.expected)


def read(path: Path) -> KernelFolder:
    """Read a kernel folder and check that its parts agree.

    >>> folder = read(Path("build/kernels/host/mel_80"))
    >>> folder.manifest.overlay_sha256, sorted(folder.streams)

    Raises FolderError, whose message names the faulty part and the cure.
    """
    manifest = manifests.read(path)
    content = {file.path: _content(path, file) for file in manifest.files}
    overlay = _overlay(manifest, content[manifest.xclbin.path])
    names = [sequence.name for sequence in manifest.sequences]
    if len(set(names)) != len(names):
        raise FolderError("manifest.json.sequences", f"two of one name; {AGAIN}")
    for sequence in manifest.sequences:
        _check_sequence(sequence, content[sequence.file.path], manifest.columns, overlay.buffers)
    _check_selftest(manifest)
    streams = {sequence.name: content[sequence.file.path] for sequence in manifest.sequences}
    return KernelFolder(path, manifest, overlay, streams)


def _content(folder: Path, file: File) -> bytes:
    place = PurePosixPath(file.path)
    if place.is_absolute() or ".." in place.parts or "\0" in file.path:
        raise FolderError(file.path, "is not in the folder; build it again.")
    path = folder / place
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise FolderError(file.path, f"is no file; {AGAIN}")
        data = path.read_bytes()
    except OSError as error:
        raise FolderError(file.path, f"cannot be read ({error.strerror}); {AGAIN}") from None
    if data.startswith(b"version https://git-lfs"):
        raise FolderError(file.path, "is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`.")
    if len(data) != file.nbytes:
        raise FolderError(file.path, f"has {len(data):,} bytes, the manifest says {file.nbytes:,}; {AGAIN}")
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise FolderError(file.path, f"is not the file that was built (SHA-256 differs); {AGAIN}")
    return data


def _overlay(manifest: Manifest, data: bytes) -> Xclbin:
    path = manifest.xclbin.path
    try:
        overlay = xclbins.read(data)
    except XclbinError as error:
        raise FolderError(path, str(error)) from None
    found = {"uuid": str(overlay.uuid), "kernel": overlay.kernel, "columns": overlay.columns}
    found["target"] = "npu1" if overlay.simulated is None else "host"
    for name, value in found.items():
        if getattr(manifest, name) != value:
            said = getattr(manifest, name)
            raise FolderError(path, f"has {name} {value}, the manifest {said}: parts of two builds; {AGAIN}")
    if overlay.simulated is not None:
        _check_simulated(manifest, overlay.simulated)
    return overlay


def _check_simulated(manifest: Manifest, description: bytes) -> None:
    try:
        said = json.loads(description)
    except (ValueError, RecursionError):
        said = None
    wanted = {"design": manifest.design, "columns": manifest.columns, "overlay_sha256": manifest.overlay_sha256}
    if said != wanted:
        raise FolderError(manifest.xclbin.path, f"is of another simulated design than the manifest; {AGAIN}")


def _check_sequence(sequence: SequenceFile, data: bytes, columns: int, buffers: int) -> None:
    path = sequence.file.path
    for argument in sequence.arguments:
        if math.prod(argument.shape) * ITEM_BYTES[argument.dtype] != argument.nbytes:
            raise FolderError(
                path, f"argument {argument.name} of {argument.shape} has not {argument.nbytes} bytes; {AGAIN}"
            )
    if len(sequence.arguments) > buffers:
        raise FolderError(path, f"{len(sequence.arguments)} arguments, the xclbin takes {buffers}; {AGAIN}")
    try:
        stream = decode(data)
        steps = tasks(stream)
    except StreamError as error:
        raise FolderError(path, f"{error} Copy or build the folder again.") from None
    if stream.columns != columns:
        raise FolderError(
            path, f"is for {stream.columns} columns, the xclbin for {columns}: parts of two builds; {AGAIN}"
        )
    for step in steps:
        if isinstance(step, ShimTask):
            _check_task(step, sequence.arguments, path)


def _check_task(task: ShimTask, arguments: tuple[Argument, ...], path: str) -> None:
    for descriptor in task.chain:
        number = descriptor.argument
        if number >= len(arguments):
            raise FolderError(path, f"moves argument {number} of a launch with {len(arguments)}; {AGAIN}")
        end, argument = descriptor.pattern.extent(task.repeat + 1)[1] * WORD_BYTES, arguments[number]
        if end > argument.nbytes:
            raise FolderError(path, f"reaches byte {end:,} of {argument.name}, which has {argument.nbytes:,}; {AGAIN}")


def _check_selftest(manifest: Manifest) -> None:
    test, where = manifest.selftest, "manifest.json.selftest"
    sequence = next((sequence for sequence in manifest.sequences if sequence.name == test.sequence), None)
    if sequence is None:
        raise FolderError(where, f"there is no sequence {test.sequence}; {AGAIN}")
    sizes = [argument.nbytes for argument in sequence.arguments]
    for files in (test.inputs, test.expected):
        if [file.nbytes for file in files] != sizes:
            raise FolderError(where, f"its files are not the arguments of {test.sequence}; {AGAIN}")
    if not test.results:
        raise FolderError(where, f"judges nothing; {AGAIN}")
    for part in test.results:
        end = (part.offset + part.elements) * ITEM_BYTES[part.dtype]
        if part.argument >= len(sizes) or not part.elements or end > sizes[part.argument]:
            raise FolderError(where, f"{part.name} is not in argument {part.argument}; {AGAIN}")
