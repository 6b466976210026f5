"""The recordings that a command names: files, and standard input."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import typer

STDIN = "-"


def local_path(source: str, scratch: Path) -> Path:
    """Return the path of a recording; standard input is copied into the directory ``scratch``."""
    if source == STDIN:
        path = scratch / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        return path
    return Path(source)


def readable(files: list[str]) -> list[str]:
    """Return the files that can be read, and name the others on standard error, before a model is loaded for them."""
    faults = {source: _fault(Path(source)) for source in files if source != STDIN}
    for source, fault in faults.items():
        if fault:
            typer.echo(f"{source}: {fault}", err=True)
    return [source for source in files if not faults.get(source)]


def _fault(path: Path) -> str | None:
    try:
        if path.is_dir():
            return "This is a directory. Name the recordings in it."
        if path.exists() and not path.is_file():
            return "This is no file. Read it by another program, and pipe that into - (standard input)."
        with path.open("rb"):
            return None
    except FileNotFoundError:
        return "There is no such file."
    except OSError as error:
        return f"The file cannot be read: {error.strerror}."
