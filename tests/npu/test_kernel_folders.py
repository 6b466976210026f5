"""Kernel folders in the data directories of user and system; those of the simulated device stand in for the chip's."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kernels.package.verify import read
from npu.errors import FolderRefused, NpuUnavailable
from npu.kernel_folders import Folders

NOWHERE = Path("/nowhere")


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_DIRS", f"{tmp_path / 'local'}:{tmp_path / 'usr'}")
    return tmp_path / "home/whisperx-npu/kernels"


@pytest.fixture
def systems(tmp_path: Path) -> Path:
    """The directory of kernel folders in the second of the system's data directories."""
    return tmp_path / "usr/whisperx-npu/kernels"


@pytest.fixture
def good(simulated_kernels: Path) -> Path:
    return Folders(NOWHERE, "host", simulated_kernels).mel(80).path


def put(good: Path, directory: Path, name: str = "mel_80") -> Path:
    return Path(shutil.copytree(good, directory / "host" / name))


def of_other_kernels(folder: Path, good: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(Folders(NOWHERE, "host", good.parents[2]).mel(128).path, folder)


def damaged(folder: Path, good: Path) -> None:
    (folder / "kernel.xclbin").unlink()


def found() -> Path:
    return Folders(target="host").mel(80).path


def test_the_users_go_before_the_systems(good: Path, users: Path, systems: Path, tmp_path: Path) -> None:
    folders = Folders(target="host")
    assert not folders.names
    assert folders.directories == (users, tmp_path / "local/whisperx-npu/kernels", systems)
    of_the_system = put(good, systems)
    assert found() == of_the_system
    own = put(good, users)
    assert found() == own
    assert folders.names == ("mel_80",)


@pytest.mark.parametrize("spoil", [of_other_kernels, damaged])
def test_one_that_is_no_good_hides_none_behind_it(
    good: Path, users: Path, systems: Path, spoil: Callable[[Path, Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    bad = put(good, users)
    spoil(bad, good)
    with pytest.raises(FolderRefused) as refused:
        found()
    assert str(bad) in refused.value.reason
    fine = put(good, systems)
    with caplog.at_level(logging.WARNING, "npu.kernel_folders"):
        assert found() == fine
    assert str(bad) in caplog.text
    assert f"{fine} is taken instead" in caplog.text
    spoil(fine, good)
    with pytest.raises(FolderRefused) as refused:
        found()
    assert str(bad) in refused.value.reason, "the first is named"


def test_an_encoder_of_another_version_does_not_hide_the_second_choice(
    good: Path, users: Path, systems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the chip the encoder is one overlay or two; here the folder of mel stands in for each of them."""
    fingerprint = read(good).manifest.overlay_sha256
    monkeypatch.setattr("npu.kernel_folders.overlay_sha256", lambda _design: fingerprint)
    for directory, name in ((users, "encoder"), (systems, "matmul"), (systems, "attention")):
        shutil.copytree(good, directory / "npu1" / name)
    assert set(Folders().encoder(int8=False)) == {"encoder"}
    damaged(users / "npu1/encoder", good)
    assert set(Folders().encoder(int8=False)) == {"matmul", "attention"}
    shutil.rmtree(systems / "npu1/matmul")
    with pytest.raises(FolderRefused, match="npu1/encoder: "):
        Folders().encoder(int8=False)


def test_where_it_was_looked_for(users: Path, systems: Path) -> None:
    with pytest.raises(NpuUnavailable) as missing:
        Folders().mel(80)
    assert f"in {users}/npu1 or " in missing.value.reason
    assert missing.value.reason.endswith(f" or {systems}/npu1")
    assert f"--output-dir {users}`" in str(missing.value.cure)


def test_a_configured_directory_is_the_only_one(good: Path, users: Path, tmp_path: Path) -> None:
    put(good, users)
    assert Folders(tmp_path / "own", "host").names == ()
    assert Folders(tmp_path / "own", "host").directories == (tmp_path / "own",)
