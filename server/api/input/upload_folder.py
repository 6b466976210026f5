"""The directory of one server's uploads, under the system's temporary one; what a killed server left there is removed.

A server holds a lock (flock) on its directory, which the kernel drops when the process ends, however it ends; one that
nobody holds is abandoned. Programs that clear up /tmp, such as systemd-tmpfiles, leave locked directories alone, too.
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
    """Made for the first upload, and again where it has disappeared."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._lock = -1

    def file(self) -> IO[bytes]:
        """A new file that is deleted when it is closed. Raises OSError where none can be made."""
        if self._path is None or not self._path.is_dir():
            self.close()
            self._path, self._lock = _made()
        return tempfile.NamedTemporaryFile(dir=self._path)

    def close(self) -> None:
        """Let go of it; it is removed unless an upload is in it still."""
        if self._path is not None:
            with suppress(OSError):
                self._path.rmdir()
            os.close(self._lock)
            self._path = None


def remove_abandoned() -> None:
    """Remove the directories of servers that have ended without doing so; nothing else, and of this user only."""
    with suppress(OSError):
        for path in Path(tempfile.gettempdir()).iterdir():
            if OURS.fullmatch(path.name):
                _remove_unless_held(path)


def _made() -> tuple[Path, int]:
    """A new directory, readable by this user only, and the descriptor that holds its lock."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):  # another server took it for abandoned before the lock was on it
            lock = os.open(path, FLAGS)
            with suppress(OSError):  # a file system without locks: nobody else can get this one either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.is_dir():
                return path, lock
            os.close(lock)


def _remove_unless_held(path: Path) -> None:
    with suppress(OSError):  # a link, another user's, held by a server that lives, or gone by now
        descriptor = os.open(path, FLAGS)
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
                log.info("Removed %s, which a server that was killed had left.", path)
        finally:
            os.close(descriptor)
