"""The record of an installed model: its source, and the files that were verified when it was installed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from server.checkpoints.sources.table import KnownFile, KnownModel
from server.errors import ModelUnavailable

RECORD = ".source.json"
WEIGHTS = "model.bin"

Source = Literal["hub", "registry", "files"]
WORDS: dict[Source, str] = {
    "hub": "from the Hugging Face Hub",
    "registry": "from the package registry",
    "files": "brought by hand",
}


@dataclass(frozen=True, slots=True)
class Record:
    """The origin of the files of one model, as they were when they were installed.

    ``revision`` is the commit of the repository, None for files brought by hand that match no known commit. ``files``
    has the SHA-256 of every file that was installed, before any conversion. ``verified`` names those of them whose
    SHA-256 is that of the table of known models.
    """

    source: Source
    repository: str
    revision: str | None
    licence: str | None
    origin: str | None
    files: dict[str, str]
    verified: tuple[str, ...]

    @property
    def verification(self) -> Literal["all", "weights", "none"]:
        """``all`` where every file was verified, ``weights`` where the weights and not every other file were."""
        if set(self.files) == set(self.verified):
            return "all"
        return "weights" if WEIGHTS in self.verified else "none"

    def write(self, directory: Path) -> None:
        """Keep the record with the files."""
        (directory / RECORD).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read_record(directory: Path) -> Record | None:
    """Return the record of an installed model; None for a directory of the user and for an older installation."""
    try:
        fields = json.loads((directory / RECORD).read_bytes())
        return Record(**fields | {"verified": tuple(fields["verified"])})
    except (OSError, ValueError, TypeError, KeyError):  # the record is a comment: a model without it can be used
        return None


def record_files(
    directory: Path,
    source: Source,
    repository: str,
    known: KnownModel | None,
    revision: str | None,
    licence: str | None = None,
) -> Record:
    """Hash the files in ``directory``, compare them with those of ``known``, and return the record of them.

    ``licence`` is that of a model that is not known. Raises ModelUnavailable, naming the file, where a known file is
    missing or differs; a file that differs is deleted.
    """
    expected = known.files if known else ()
    hashes = {path.name: _sha256(path) for path in sorted(directory.iterdir()) if is_model_file(path)}
    _compare(directory, hashes, expected, source)
    return Record(
        source=source,
        repository=repository,
        revision=revision,
        licence=known.licence if known else licence,
        origin=known.origin if known else None,
        files=hashes,
        verified=tuple(file.name for file in expected),
    )


def is_model_file(path: Path) -> bool:
    """Return True for a file that belongs to the model, False for what a download keeps for itself."""
    return path.is_file() and not path.name.startswith(".")


def _compare(directory: Path, hashes: dict[str, str], expected: Iterable[KnownFile], source: Source) -> None:
    for file in expected:
        path = directory / file.name
        if file.name not in hashes:
            raise ModelUnavailable(f"{file.name} is missing among the files {WORDS[source]}.")
        if hashes[file.name] != file.sha256:
            path.unlink()
            raise ModelUnavailable(
                f"{file.name} {WORDS[source]} is refused: its SHA-256 is {hashes[file.name]}, and the known file has "
                f"{file.sha256}."
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
