"""The directory of one server's uploads, below the system's temporary directory; those of killed servers are removed.

A server holds a lock (flock) on its directory, and the kernel releases it when the process ends, however it ends; a
directory without a lock is abandoned. Programs that clean /tmp, such as systemd-tmpfiles, leave locked directories
alone.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

PREFIX = "whisperx-npu-uploads-"
OURS = re.compile(PREFIX + "[a-z0-9_]{8}")  # as tempfile.mkdtemp makes names
FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class UploadFolder:
    """The directory of uploads, created for the first upload and again if it has disappeared."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lock = -1

    def file(self) -> IO[bytes]:
        """Return a new file that is deleted when it is closed. Raises OSError if none can be created."""
        if self._path is None or not self._path.is_dir():
            self.close()
            self._path, self._lock = _create_locked()
        return tempfile.NamedTemporaryFile(dir=self._path)

    def close(self) -> None:
        """Release the lock, and remove the directory unless an upload is still in it."""
        if self._path is not None:
            with suppress(OSError):
                self._path.rmdir()
            os.close(self._lock)
            self._path = None


def remove_abandoned() -> None:
    """Remove the upload directories of this user's servers that ended without removing them, and nothing else."""
    with suppress(OSError):
        for path in Path(tempfile.gettempdir()).iterdir():
            if OURS.fullmatch(path.name):
                _remove_unless_locked(path)


def _create_locked() -> tuple[Path, int]:
    """Create a directory that only this user can read; return it with the descriptor that holds its lock."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):  # another server removed it as abandoned before it was locked
            lock = os.open(path, FLAGS)
            with suppress(OSError):  # the file system has no locks: no other server can lock it either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.is_dir():
                return path, lock
            os.close(lock)


def _remove_unless_locked(path: Path) -> None:
    with suppress(OSError):  # a link, another user's directory, locked by a running server, or gone by now
        descriptor = os.open(path, FLAGS)
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
                log.info("Removed %s, the uploads of a server that was killed.", path)
        finally:
            os.close(descriptor)
