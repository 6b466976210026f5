"""Damaged kernel folders: the reader accepts them or refuses them with a reason; no other outcome is allowed.

Mutations are of bytes, of whole words to values at the edges, and of lengths; each is one case. A case that takes a
second is a hang.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from kernels.array.lower.stream import tasks
from kernels.array.lower.transaction import assemble, decode
from kernels.errors import KernelsError, StreamError
from kernels.package import manifest as manifests
from kernels.package import verify, xclbin
from kernels.package.axlf import XclbinError
from kernels.package.folder import build
from kernels.package.manifest import FolderError
from tests.kernels.array.scale import design, trial

EDGES = np.array([0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], np.uint32)
LONGEST_S = 1.0
Read = Callable[[bytes], object]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fuzz") / "scale"
    build(design(), trial(), out)
    return out


def mutated(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Yield ``count`` damaged variants of ``data``, which are the same for the same seed."""
    rng = np.random.default_rng(seed)
    whole = np.frombuffer(data, np.uint8)
    for kind in rng.integers(0, 8, count):
        at = int(rng.integers(0, whole.size))
        if kind == 0:
            yield data[:at]
        elif kind == 1:
            yield data[:at] + data[at // 2 :]
        elif kind == 2:
            yield data + rng.bytes(at % 64 + 1)
        else:
            copy = whole.copy()
            if kind < 6:
                for place in rng.integers(0, whole.size, int(kind) - 2):
                    copy[place] = rng.integers(0, 256)
            else:
                start = at & ~3 if kind == 6 else at
                edge = rng.choice(EDGES).tobytes()[: whole.size - start]
                copy[start : start + len(edge)] = np.frombuffer(edge, np.uint8)
            yield copy.tobytes()


def fuzz(data: bytes, read: Read, refusal: type[KernelsError], count: int, seed: int = 0) -> tuple[int, int]:
    """Read damaged variants of ``data``; return the numbers of those that were read and of those that were refused.

    An error other than ``refusal`` fails the test.
    """
    reads, refused = 0, 0
    for number, variant in enumerate(mutated(data, count, seed)):
        begun = time.process_time()
        try:
            read(variant)
            reads += 1
        except refusal:
            refused += 1
        except Exception as error:
            raise AssertionError(f"variant {number}: {variant!r}") from error
        assert time.process_time() - begun < LONGEST_S, variant
    return reads, refused


def read_stream(data: bytes) -> None:
    stream = decode(data)
    assert assemble(stream) == data
    tasks(stream)


def read_manifest(folder: Path) -> Read:
    """Return a function that reads the kernel folder with given bytes as its manifest."""

    def read(data: bytes) -> object:
        (folder / manifests.NAME).write_bytes(data)
        return verify.read(folder)

    return read


def cases(folder: Path, count: int, seed: int = 0) -> dict[str, tuple[int, int]]:
    """Fuzz every kind of file of a kernel folder; return the numbers of variants read and refused, by kind."""
    manifest = (folder / manifests.NAME).read_bytes()
    try:
        return {
            "stream": fuzz((folder / "insts/run.bin").read_bytes(), read_stream, StreamError, count, seed),
            "xclbin": fuzz((folder / "kernel.xclbin").read_bytes(), xclbin.read, XclbinError, count, seed),
            "manifest": fuzz(manifest, read_manifest(folder), FolderError, count // 4, seed),
        }
    finally:
        (folder / manifests.NAME).write_bytes(manifest)


def test_some_thousand_mutations(folder: Path) -> None:
    seen = cases(folder, 5_000)
    assert all(reads and refused for reads, refused in seen.values()), seen


@pytest.mark.slow
def test_a_million_mutations(folder: Path) -> None:
    seen = [cases(folder, 100_000, seed) for seed in range(1, 6)]
    assert sum(sum(pair) for counts in seen for pair in counts.values()) >= 1_000_000


@pytest.mark.parametrize("text", ["\0", "a\0b", "x" * 5_000, ".", "", "insts", "selftest/0.in.bin/deeper"])
@pytest.mark.parametrize("place", ["xclbin", "sequences"])
def test_paths_that_are_none(folder: Path, text: str, place: str) -> None:
    content = json.loads((folder / manifests.NAME).read_text())
    whole = json.dumps(content)
    one = content["xclbin"] if place == "xclbin" else content["sequences"][0]["file"]
    one["path"] = text
    try:
        (folder / manifests.NAME).write_text(json.dumps(content))
        with pytest.raises(FolderError):
            verify.read(folder)
    finally:
        (folder / manifests.NAME).write_text(whole)


def test_a_device_in_place_of_a_file(folder: Path) -> None:
    """Reading a device would never end."""
    stream = folder / "insts/run.bin"
    kept = stream.rename(folder / "kept")
    try:
        stream.symlink_to("/dev/zero")
        with pytest.raises(FolderError, match=r"insts/run.bin: is no file"):
            verify.read(folder)
    finally:
        kept.rename(stream)
