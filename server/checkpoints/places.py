"""Directories that may hold an installed model: the cache of pulled models, then the system's data directories."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs


def system_directories() -> tuple[Path, ...]:
    """Return the directories of models that the system has for all its users; they are only read.

    They follow the XDG base directories: ``whisperx-npu/models`` in each of $XDG_DATA_DIRS, else in /usr/local/share
    and /usr/share. The container image has its model there, because a volume hides the cache of the image.
    """
    shared = platformdirs.site_data_dir("whisperx-npu", multipath=True)
    return tuple(Path(directory) / "models" for directory in dict.fromkeys(shared.split(os.pathsep)))


def place_of(name: str, cache_dir: Path) -> Path:
    """Return the first directory ``name`` that exists; where none does, the one in ``cache_dir`` that a pull makes."""
    candidates = (directory / name for directory in (cache_dir, *system_directories()))
    return next((path for path in candidates if path.is_dir()), cache_dir / name)


def installed_names(cache_dir: Path) -> Iterator[str]:
    """Yield the name of every directory in all places, each once."""
    existing = [directory for directory in (cache_dir, *system_directories()) if directory.is_dir()]
    yield from dict.fromkeys(path.name for directory in existing for path in directory.iterdir() if path.is_dir())
