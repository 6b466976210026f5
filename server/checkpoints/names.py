"""Names of Whisper models on the Hugging Face Hub."""

from __future__ import annotations

import re
from functools import cache

# the hub's own rule, without the names that would be ambiguous as a directory in the cache
_REPOSITORY = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


@cache
def whisper_names() -> dict[str, str]:
    """Return Whisper names and their Hugging Face ids, from faster-whisper."""
    from faster_whisper.utils import _MODELS  # 0.3 s; the table has no public name

    return dict(_MODELS)


def repository_of(name: str) -> str | None:
    """Return the Hugging Face id for a Whisper name or for an id itself, None for any other text."""
    repository = whisper_names().get(name, name)
    return repository if _REPOSITORY.fullmatch(repository) else None


def short_name(repository: str) -> str:
    """Return the first Whisper name of a repository, or the repository itself where it has none."""
    return next((name for name, known in whisper_names().items() if known == repository), repository)


def directory_name(repository: str) -> str:
    """Return ``org/name`` as one path component."""
    return repository.replace("/", "--")


def repository_in(directory_name: str) -> str | None:
    """Return the repository that ``directory_name`` was made from, None where it was made from none."""
    repository = directory_name.replace("--", "/")
    return repository if _REPOSITORY.fullmatch(repository) else None
