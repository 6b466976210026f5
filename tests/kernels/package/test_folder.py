"""Kernel folders for the simulated device: built, read back, and refused if any part disagrees."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.array.lower.encode import encode
from kernels.array.simulate.simulate import Simulation
from kernels.errors import DesignError
from kernels.package import manifest as manifests
from kernels.package import xclbin
from kernels.package.folder import build, overlay_hash
from kernels.package.manifest import FolderError, Manifest
from kernels.package.verify import read
from tests.kernels.array import wide
from tests.kernels.array.scale import SEQUENCE, design, trial


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kernel folder without a fault, shared by the tests."""
    out = tmp_path_factory.mktemp("kernels") / "scale"
    build(design(), trial(), out)
    return out


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of the faultless kernel folder, which a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "scale"))


def test_what_is_in_a_folder(whole: Path) -> None:
    files = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    selftest = {"selftest/0.in.bin", "selftest/1.in.bin", "selftest/1.out.bin"}  # argument 0 stays as it is
    assert files == {"kernel.xclbin", "insts/run.bin", "manifest.json", *selftest}
    kept = read(whole)
    assert kept.streams == {"run": encode(design(), SEQUENCE)}
    assert (kept.manifest.design, kept.manifest.target, kept.manifest.columns) == ("scale", "host", 1)
    assert kept.manifest.overlay_sha256 == overlay_hash(design())
    assert "For the simulated device: no NPU can load it." in kept.manifest.caveats
    assert kept.xclbin.simulated is not None
    assert json.loads(kept.xclbin.simulated)["design"] == "scale"


def test_the_self_test_passes_where_it_was_made(whole: Path) -> None:
    kept = read(whole)
    arguments = [np.frombuffer(data, np.uint8).copy() for data in kept.inputs()]
    Simulation(design()).run(kept.streams[kept.manifest.selftest.sequence], arguments)
    assert tuple(argument.tobytes() for argument in arguments) == kept.expected()
    assert kept.inputs()[1] != kept.expected()[1]


def test_the_same_design_is_the_same_folder(whole: Path, tmp_path: Path) -> None:
    build(design(), trial(), tmp_path / "again")
    for path in whole.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(whole)).read_bytes(), path


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match=r"file/host: cannot be written \(Not a directory\); name another folder"):
        build(design(), trial(), tmp_path / "file" / "host" / "scale")


def test_a_folder_is_never_written_over(folder: Path) -> None:
    with pytest.raises(FolderError, match="exists already; remove it"):
        build(design(), trial(), folder)


def test_a_design_that_fails_its_check_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DesignError):
        build(wide.design(), trial(), tmp_path / "wide")
    assert list(tmp_path.iterdir()) == []


def change(folder: Path, *place: str | int, value: Any) -> None:
    """Set the field of the manifest at ``place``, a path of keys and indices."""
    content = json.loads((folder / manifests.NAME).read_text())
    inner = content
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    (folder / manifests.NAME).write_text(json.dumps(content))


def put(folder: Path, path: str, data: bytes) -> None:
    """Replace a file of a kernel folder, and its size and hash in the manifest."""
    (folder / path).write_bytes(data)
    content = json.loads((folder / manifests.NAME).read_text())
    entries = [content["xclbin"], *(sequence["file"] for sequence in content["sequences"])]
    for entry in entries:
        if entry["path"] == path:
            entry |= {"nbytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / manifests.NAME).write_text(json.dumps(content))


def flip(folder: Path, path: str) -> None:
    data = bytearray((folder / path).read_bytes())
    data[-1] ^= 1
    (folder / path).write_bytes(data)


def other_xclbin(folder: Path, **changes: Any) -> None:
    was = read(folder).xclbin
    said = json.loads(was.simulated or b"") | changes.pop("said", {})
    data = xclbin.write_simulated(changes.get("uuid", was.uuid), changes.get("columns", 1), json.dumps(said).encode())
    put(folder, "kernel.xclbin", data)


STREAM, RUN = "insts/run.bin", encode(design(), SEQUENCE)
TWO = b"".join([RUN[:4], b"\2", RUN[5:]])
STRIX = b"".join([RUN[:2], b"\4", RUN[3:]])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "manifest.json").unlink(), "manifest.json: there is none; build the kernel again"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json: cannot be read"),
        (lambda f: (f / "manifest.json").write_text("[]"), r"manifest.json: \[\] is no Manifest"),
        (lambda f: change(f, "format", value=2), "format 2, where this version reads 1"),
        (lambda f: change(f, "extra", value=2), r"unknown fields \['extra'\]"),
        (lambda f: change(f, "columns", value="1"), r"manifest.json.columns: \"1\" is not int"),
        (lambda f: change(f, "target", value="npu2"), r"manifest.json.target: \"npu2\" is not one of host, npu1"),
        (
            lambda f: change(f, "sequences", 0, "file", "nbytes", value=-1),
            r"sequences\[0\].file.nbytes: -1 is negative",
        ),
        (lambda f: change(f, "sequences", value={}), "manifest.json.sequences: {} is not a list"),
        (lambda f: change(f, "tools", value={"a": 1}), "manifest.json.tools.a: 1 is not str"),
        (lambda f: change(f, "columns", value=True), "manifest.json.columns: true is not int"),
        (lambda f: change(f, "xclbin", "path", value="../scale/kernel.xclbin"), "is not in the folder"),
        (lambda f: change(f, "xclbin", "path", value="/etc/passwd"), "/etc/passwd: is not in the folder"),
        (lambda f: (f / STREAM).unlink(), r"insts/run.bin: cannot be read \(No such file"),
        (lambda f: (f / STREAM).write_bytes(RUN[:-4]), "has 512 bytes, the manifest says 516; copy or build"),
        (lambda f: flip(f, STREAM), "is not the file that was built"),
        (lambda f: flip(f, "selftest/1.out.bin"), "selftest/1.out.bin: is not the file that was built"),
        (lambda f: (f / STREAM).write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
        (lambda f: put(f, STREAM, RUN[:16]), "insts/run.bin: The header says 516 bytes"),
        (lambda f: put(f, STREAM, STRIX), "is for device generation 4; Phoenix and Hawk Point are 3"),
        (lambda f: put(f, STREAM, TWO), "is for 2 columns, the xclbin for 1: parts of two builds"),
        (lambda f: put(f, "kernel.xclbin", b"xclbin2"), "kernel.xclbin: Not an xclbin"),
        (lambda f: other_xclbin(f, uuid=UUID(int=1)), "has uuid 00000000-.*parts of two builds"),
        (lambda f: other_xclbin(f, columns=2), "has columns 2, the manifest 1"),
        (lambda f: other_xclbin(f, said={"design": "mel"}), "is of another simulated design"),
        (lambda f: change(f, "target", value="npu1"), "has target host, the manifest npu1"),
        (
            lambda f: change(f, "sequences", 0, "arguments", 0, "shape", value=[4]),
            "argument x of .* has not 16384 bytes",
        ),
        (lambda f: change(f, "sequences", 0, "arguments", value=[]), "moves argument 1 of a launch with 0"),
        (
            lambda f: change(
                f, "sequences", 0, "arguments", 1, value={"name": "y", "dtype": "i32", "shape": [256], "nbytes": 1024}
            ),
            "reaches byte 3,840 of y, which has 1,024",
        ),
        (lambda f: change(f, "selftest", "sequence", value="walk"), "there is no sequence walk"),
        (lambda f: change(f, "selftest", "inputs", value=[]), "are not the arguments of run"),
        (lambda f: change(f, "selftest", "results", value=[]), "judges nothing"),
        (lambda f: change(f, "selftest", "results", 0, "offset", value=8_190), "pass0 is not in argument 1"),
        (lambda f: change(f, "selftest", "results", 0, "tolerance", value=float("nan")), "NaN is not float"),
    ],
)
def test_what_is_refused(folder: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(folder)
    with pytest.raises(FolderError, match=message):
        read(folder)


def test_two_sequences_of_one_name(folder: Path) -> None:
    content = json.loads((folder / manifests.NAME).read_text())
    change(folder, "sequences", value=content["sequences"] * 2)
    with pytest.raises(FolderError, match="two of one name"):
        read(folder)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Manifest)])
def test_every_field_is_needed(folder: Path, field: str) -> None:
    content = json.loads((folder / manifests.NAME).read_text())
    del content[field]
    (folder / manifests.NAME).write_text(json.dumps(content))
    with pytest.raises(FolderError, match=rf"lacks \['{field}'\]"):
        read(folder)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(field=st.sampled_from([field.name for field in dataclasses.fields(Manifest)]), value=anything)
def test_a_manifest_of_anything_is_refused_by_name(whole: Path, field: str, value: Any) -> None:
    content = json.loads((whole / manifests.NAME).read_text())
    content[field] = value
    broken = whole.parent / "broken"
    broken.mkdir(exist_ok=True)
    (broken / manifests.NAME).write_text(json.dumps(content))
    try:
        kept = manifests.read(broken)
    except FolderError as error:
        assert error.where.startswith("manifest.json")  # noqa: PT017  # either this or the same again
    else:
        manifests.write(kept, broken)
        assert manifests.read(broken) == kept


def test_errors_travel_between_processes() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(FolderError("a", "b.")))  # noqa: S301
    assert (str(error), error.where) == ("a: b.", "a")
