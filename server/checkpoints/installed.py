"""Installed models: what a directory holds, looked at again only when one of its files has changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from server.checkpoints import files as model_files
from server.checkpoints.sources.record import Record, read_record
from server.checkpoints.sources.table import KnownModel
from server.errors import WhisperXError

_State = tuple[tuple[str, int, int], ...]  # name, bytes and mtime in ns of each file


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """An installed model.

    ``created`` is the modification time of its newest file in Unix seconds. ``problem`` says why the model cannot be
    loaded, None where it can. ``multilingual`` is None for a model with a problem, and for a transformers checkpoint
    that was not used yet. ``record`` is None for the demo model, for a directory of the user, and for a model that an
    earlier version installed; ``licence`` and ``origin`` are None where nobody has stated them.
    """

    id: str
    path: Path
    bytes: int
    created: int
    multilingual: bool | None
    demo: bool
    problem: str | None = None
    record: Record | None = None
    licence: str | None = None
    origin: str | None = None


class Inspector:
    """Inspects directories of models, and remembers each result until a file changes: every status asks for all."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[_State, InstalledModel]] = {}

    def inspect(self, name: str, directory: Path, known: KnownModel | None, *, demo: bool) -> InstalledModel:
        """Return the model in ``directory``, whose id is ``name``. Raises FileNotFoundError if it was just removed."""
        files = sorted((path.name, path.stat()) for path in directory.iterdir() if path.is_file())
        state = tuple((file, stat.st_size, stat.st_mtime_ns) for file, stat in files)
        seen = self._seen.get(name)
        if seen is None or seen[0] != state:
            seen = self._seen[name] = (state, _inspected(name, directory, state, known, demo=demo))
        return seen[1]


def _inspected(name: str, directory: Path, state: _State, known: KnownModel | None, *, demo: bool) -> InstalledModel:
    multilingual, problem = None, None
    try:
        model_files.check(directory)
        if model_files.kind_of(directory) == "ctranslate2":
            multilingual = model_files.is_multilingual(directory)
    except WhisperXError as error:
        problem = str(error)
    record = read_record(directory)
    return InstalledModel(
        id=name,
        path=directory,
        bytes=sum(size for _file, size, _mtime in state),
        created=max((mtime for _file, _size, mtime in state), default=0) // 10**9,
        multilingual=multilingual,
        demo=demo,
        problem=problem,
        record=record,
        licence=(record and record.licence) or (known and known.licence) or None,
        origin=(record and record.origin) or (known and known.origin) or None,
    )
