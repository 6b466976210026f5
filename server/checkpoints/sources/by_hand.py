"""Models that a person brings: wheels, or a directory with the files of a checkpoint. No network is needed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from server.checkpoints.files import kind_of
from server.checkpoints.install import NO_ROOM
from server.checkpoints.sources import wheels
from server.checkpoints.sources.fetch import Wanted
from server.checkpoints.sources.hub import CTRANSLATE2_FILES, TRANSFORMERS_FILES, TRANSFORMERS_WEIGHTS
from server.checkpoints.sources.progress import Progress, bytes_in, watched
from server.checkpoints.sources.record import WORDS, Record, record_files
from server.checkpoints.sources.table import KnownModel, Wheel
from server.errors import InvalidInput, ModelUnavailable

PARAM = "--from"


def bring(wanted: Wanted, brought: Sequence[Path], directory: Path, progress: Progress | None = None) -> Record:
    """Copy the files of a model from ``brought`` into the empty ``directory`` and return their record.

    ``brought`` is a directory with the files of a checkpoint, a directory with wheels, or wheels. Raises InvalidInput
    where it is none of these, and ModelUnavailable where a file is missing, damaged or not the known one.
    """
    for path in brought:
        if not path.exists():
            raise InvalidInput(f"{path} does not exist.", param=PARAM)
    try:
        if len(brought) == 1 and brought[0].is_dir() and not any(brought[0].glob("*.whl")):
            _copy_checkpoint(wanted, brought[0], directory, progress)
        else:
            _copy_wheels(wanted, brought, directory, progress)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        raise ModelUnavailable(f"{error.filename or brought[0]} cannot be copied: {error.strerror}.") from error
    revision = wanted.revision if wanted.known and wanted.known.files else None
    return record_files(directory, "files", wanted.repository, wanted.known, revision)


def _copy_checkpoint(wanted: Wanted, source: Path, directory: Path, progress: Progress | None) -> None:
    kind = kind_of(source)
    patterns = CTRANSLATE2_FILES if kind == "ctranslate2" else (*TRANSFORMERS_FILES, *TRANSFORMERS_WEIGHTS)
    files = [path for path in source.iterdir() if any(path.match(pattern) for pattern in patterns)]
    for path in files:
        if not path.is_file():
            raise ModelUnavailable(f"{path} is no regular file.", param=PARAM)
    sizes = {path.name: path.stat().st_size for path in files}
    _refuse_larger(wanted.known, sizes)
    with watched(lambda: bytes_in(directory), sum(sizes.values()), progress):
        for path in files:
            shutil.copyfile(path, directory / path.name)


def _copy_wheels(wanted: Wanted, brought: Sequence[Path], directory: Path, progress: Progress | None) -> None:
    known = wanted.known
    if known is None or not known.wheels:
        raise InvalidInput(
            f"No wheels of the model {wanted.name} are known.",
            param=PARAM,
            cure="Give a directory with its model.bin, config.json, tokenizer.json and vocabulary file.",
        )
    files = [file for path in brought for file in (sorted(path.glob("*.whl")) if path.is_dir() else [path])]
    parts = _parts(known, [wheels.root_of(file) for file in files])
    _refuse_larger(known, wheels.sizes(parts))
    with watched(lambda: bytes_in(directory), sum(file.bytes or 0 for file in known.files), progress):
        wheels.join(parts, directory)


def _refuse_larger(known: KnownModel | None, sizes: dict[str, int]) -> None:
    """Raise ModelUnavailable for a file that is larger than the known one, before it fills the disk."""
    for file in known.files if known else ():
        if file.bytes is not None and sizes.get(file.name, 0) > file.bytes:
            raise ModelUnavailable(
                f"{file.name} {WORDS['files']} is refused: it has {sizes[file.name]} bytes, and the known file has "
                f"{file.bytes}.",
                param=PARAM,
            )


def _parts(known: KnownModel, roots: Sequence[wheels.Root]) -> list[tuple[Wheel, wheels.Root]]:
    """Return the known wheels with the roots that hold them, whatever the names of the files are."""
    parts = []
    for wheel in known.wheels:
        root = next((root for root in roots if wheels.holds(root, wheel)), None)
        if root is None:
            raise ModelUnavailable(
                f"None of the given files is the wheel of {wheel}.",
                param=PARAM,
                cure="The model needs the wheels of " + " and ".join(str(part) for part in known.wheels) + ".",
            )
        parts.append((wheel, root))
    return parts
