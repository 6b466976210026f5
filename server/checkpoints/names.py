"""Names of Whisper models on the Hugging Face Hub."""

from __future__ import annotations

import re
from functools import cache

# the hub's own rule, less what would be ambiguous as a directory name in the cache
_REPOSITORY = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


@cache
def whisper_names() -> dict[str, str]:
    """Whisper names and their Hugging Face ids, from faster-whisper."""
    from faster_whisper.utils import _MODELS  # 0.3 s; the table has no public name

    return dict(_MODELS)


def repository_of(name: str) -> str | None:
    """Hugging Face id of a Whisper name, or of an id itself; None for what is neither."""
    repository = whisper_names().get(name, name)
    return repository if _REPOSITORY.fullmatch(repository) else None


def short_name(repository: str) -> str:
    """Whisper's own name where the repository has one: the first of the table."""
    return next((name for name, known in whisper_names().items() if known == repository), repository)


def directory_name(repository: str) -> str:
    """``org/name`` as one path component."""
    return repository.replace("/", "--")


def repository_in(directory_name: str) -> str | None:
    """What ``directory_name`` was made from, or None."""
    repository = directory_name.replace("--", "/")
    return repository if _REPOSITORY.fullmatch(repository) else None
