"""The lock pins everything by hash and names no index; what is installed is what it says."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")
IMAGE = ("docker/requirements.lock", "docker/requirements-whisperx.lock")


def pinned(name: str) -> dict[str, tuple[Requirement, int]]:
    """Return the requirements of a lock file, each with its number of hashes, by name and marker."""
    found: dict[str, tuple[Requirement, int]] = {}
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.replace("\\\n", " ").strip()):
        line, *hashes = entry.split("--hash=")
        requirement = Requirement(line.strip())
        found[f"{requirement.name} {requirement.marker}"] = (requirement, len(hashes))
    return found


@pytest.mark.parametrize("name", LOCKS + IMAGE)
def test_every_line_is_one_version_with_its_hashes(name: str) -> None:
    entries = pinned(name)
    assert len(entries) > 50
    for requirement, hashes in entries.values():
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert hashes > 0, requirement


@pytest.mark.parametrize("name", LOCKS + IMAGE)
def test_no_index_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert "index" not in re.sub(r"#.*", "", text)


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ("requirements.lock", "requirements-dev.lock"),
        ("docker/requirements.lock", "requirements.lock"),
        ("docker/requirements.lock", "docker/requirements-whisperx.lock"),
        ("docker/requirements-whisperx.lock", "requirements.lock"),
    ],
)
def test_the_locks_agree(smaller: str, larger: str) -> None:
    some, more = pinned(smaller), pinned(larger)
    assert some.keys() <= more.keys()
    assert all(str(some[key][0]) == str(more[key][0]) for key in some)


def test_the_image_brings_its_own_pytorch() -> None:
    """A build of it without CUDA, with everything that it needs beside it but CUDA's own packages."""
    every, base, extra = (packages(name) for name in ("requirements.lock", *IMAGE))
    assert not {"torch", "transformers", "whisperx", "pyannote-audio"} & base
    absent = {name for name in every if name.startswith("nvidia-")} | {"triton", "torchcodec", "torchvision"}
    assert every - extra == absent | {"torch", "torchaudio"}
    assert {"nvidia-cublas-cu12", "nvidia-cudnn-cu12"} < absent
    assert absent == set((ROOT / "docker" / "excludes.txt").read_text().split())


def packages(name: str) -> set[str]:
    return {requirement.name for requirement, _ in pinned(name).values()}


def test_what_is_never_imported_is_not_installed() -> None:
    """Several GB that WhisperX's dependencies ask for, and the package by which openvino reports to its makers."""
    for name in ("torchvision", "torchcodec", "triton", "openvino-telemetry"):
        with pytest.raises(PackageNotFoundError):
            version(name)


def test_what_is_installed_is_what_the_lock_says() -> None:
    for requirement, _ in pinned("requirements-dev.lock").values():
        if requirement.marker is None or requirement.marker.evaluate():
            assert version(requirement.name) in requirement.specifier, requirement
