"""Hugging Face ids of models, and the names of their directories in the cache."""

from __future__ import annotations

import re

# the hub's own rule, without the names that would be ambiguous as a directory in the cache
_REPOSITORY = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def is_repository(text: str) -> bool:
    """Return True for a text that can be a Hugging Face id."""
    return _REPOSITORY.fullmatch(text) is not None


def directory_name(repository: str) -> str:
    """Return ``org/name`` as one path component."""
    return repository.replace("/", "--")


def repository_in(directory_name: str) -> str | None:
    """Return the repository that ``directory_name`` was made from, None where it was made from none."""
    repository = directory_name.replace("--", "/")
    return repository if is_repository(repository) else None
