"""The progress of a download, seen from the bytes on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Progress = Callable[[int, int], None]  # bytes on disk, bytes in all

INTERVAL_SECONDS = 0.2


@contextmanager
def watched(measure: Callable[[], int], total: int, progress: Progress | None) -> Iterator[None]:
    """Report ``measure()`` of ``total`` bytes five times a second while the block runs, and all of them at its end."""
    if progress is None:
        yield
        return
    done = threading.Event()

    def watch() -> None:
        while True:
            progress(min(measure(), total), total)
            if done.wait(INTERVAL_SECONDS):
                return

    watcher = threading.Thread(target=watch, name="download-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    progress(total, total)


def bytes_in(directory: Path) -> int:
    """Return the bytes of all files in ``directory`` and below it, which may change meanwhile."""
    return sum(_size(path) for path in directory.rglob("*"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # renamed by the download just now
        return 0
