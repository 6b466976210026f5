"""Directories that appear whole or not at all, also when two processes make the same one."""

from __future__ import annotations

import errno
import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from server.errors import ModelUnavailable

PARTIAL = ".partial"
LOCKS = ".locks"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def install(target: Path, fill: Callable[[Path], None], *, root: Path, resume: bool = False) -> Path:
    """Return ``target``, which ``fill(staging)`` makes unless it exists already.

    ``staging`` is a directory under ``root``, as ``target`` must be, so that the last step is one rename. With
    ``resume`` it keeps the files of an interrupted call, else it starts empty and leaves nothing. A second process
    waits for the first and uses its result. Raises ModelUnavailable when ``root`` cannot be written.
    """
    try:
        with locked(root / LOCKS / f"{target.name}.lock"):
            if target.is_dir():
                return target
            staging = root / PARTIAL / target.name
            if not resume:
                shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True, exist_ok=True)
            try:
                fill(staging)
                target.parent.mkdir(parents=True, exist_ok=True)
                staging.rename(target)
            finally:
                if not resume:
                    shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise ModelUnavailable(
            f"Cannot write to {root}: {error}.", param="model.cache_dir", cure="Free the disk or set model.cache_dir."
        ) from error
    return target


def uninstall(target: Path, *, root: Path) -> None:
    """Remove the directory ``target``; a reader sees all of it or nothing."""
    with locked(root / LOCKS / f"{target.name}.lock"):
        trash = root / PARTIAL / f"{target.name}.removed"
        shutil.rmtree(trash, ignore_errors=True)
        trash.parent.mkdir(parents=True, exist_ok=True)
        target.rename(trash)
        shutil.rmtree(trash)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path``; the kernel releases it if the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
