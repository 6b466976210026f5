"""Models in the system's data directories, which a container image or an administrator puts there for every user."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from server.checkpoints.catalog import Catalog
from server.errors import InvalidInput
from server.settings.stages import ModelSettings

BASE = "Systran--faster-whisper-base"


@pytest.fixture
def systems(tiny_multilingual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The second of two data directories; it has the model base."""
    monkeypatch.setenv("XDG_DATA_DIRS", f"{tmp_path / 'local'}:{tmp_path / 'usr'}")
    return Path(shutil.copytree(tiny_multilingual, tmp_path / "usr" / "whisperx-npu" / "models" / BASE))


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def catalog(systems: Path, cache_dir: Path) -> Catalog:
    return Catalog(ModelSettings(name="base", cache_dir=cache_dir))


@pytest.mark.usefixtures("no_network")
def test_it_is_installed_and_is_not_pulled(catalog: Catalog, systems: Path, cache_dir: Path) -> None:
    assert not catalog.is_missing("base")
    assert catalog.resolve("base") == catalog.pull("base") == systems
    assert catalog.resolve_request("base") == "base"
    entry = catalog.entries()[0]
    assert (entry.id, entry.path, entry.problem) == ("base", systems, None)
    assert not cache_dir.exists()


def test_the_users_own_comes_first(catalog: Catalog, tiny_multilingual: Path, cache_dir: Path) -> None:
    own = shutil.copytree(tiny_multilingual, cache_dir / BASE)
    assert catalog.resolve("base") == own
    assert [entry.path for entry in catalog.entries() if entry.id == "base"] == [own]


def test_it_is_not_the_users_to_delete(catalog: Catalog, systems: Path) -> None:
    with pytest.raises(InvalidInput, match=r"not the catalogue's to delete"):
        catalog.remove("base")
    assert (systems / "model.bin").is_file()
