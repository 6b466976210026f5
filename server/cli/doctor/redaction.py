"""Removal of private data from text: names of user and host, the home directory, secrets."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECRET = "(secret)"  # noqa: S105  the text in place of a secret
USER = "(user)"
HOST = "(host)"
SECRET_NAME = re.compile(
    r"(?:^|[^a-z])(?:api)?(?:tokens?|secrets?|pass(?:word|wd|phrase)?|credentials?|auth|keys?|cookies?)(?:$|[^a-z])",
    re.IGNORECASE,
)
SECRET_FORM = re.compile(
    r"\b(?:hf_|gh[a-z]_|AKIA)[A-Za-z0-9]{12,}|\b(?:sk-|glpat-|github_pat_|xox[a-z]-)[A-Za-z0-9_-]{12,}"
    r"|(?<=://)[^/@\s]+(?=@)"  # user and password in an address
    r"|(?<=Bearer )\S+"
)
HOMES = re.compile(r"(?<![\w.])(/home|/Users|/var/home)/[^/\s\"':,]+")
LEAST_LENGTH = 6  # of a secret: a shorter one is part of ordinary words
COMMON = {"root", "localhost", "user", "ubuntu"}  # names that reveal nothing


@dataclass(frozen=True, slots=True)
class Redaction:
    """A filter for private data: it replaces the home directory, names of users and host, and all ``secrets``."""

    home: str
    users: tuple[str, ...]
    host: str
    secrets: tuple[str, ...]

    @staticmethod
    def of_this_process(files: Iterable[Path] = ()) -> Redaction:
        """Return a redaction of this user and host, and of secrets in the environment and the lines of ``files``."""
        values = {value for name, value in os.environ.items() if SECRET_NAME.search(name)}
        values |= {line.strip() for path in files for line in _lines(path)}
        secrets = sorted((value for value in values if len(value) >= LEAST_LENGTH), key=len, reverse=True)
        users = {name for name in _users() if name and name not in COMMON}
        return Redaction(str(Path.home()), tuple(sorted(users)), socket.gethostname(), tuple(secrets))

    def text(self, text: str) -> str:
        """Return the text with everything private replaced."""
        for secret in self.secrets:
            text = text.replace(secret, SECRET)
        text = SECRET_FORM.sub(SECRET, text)
        if self.home not in ("", "/"):
            text = re.sub(rf"(?<![\w.-]){re.escape(self.home)}(?![\w.-])", "~", text)
        text = HOMES.sub(rf"\1/{USER}", text)
        if self.host not in COMMON:
            text = _word(self.host).sub(HOST, text) if self.host else text
        for user in self.users:
            text = _word(user).sub(USER, text)
        return text

    def data(self, value: Any) -> Any:
        """Return JSON data with everything private replaced, and every value whose name is like ``token``."""
        if isinstance(value, dict):
            return {
                self.text(str(name)): SECRET if _is_secret(str(name), part) else self.data(part)
                for name, part in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.data(part) for part in value]
        return self.text(value) if isinstance(value, str) else value


def _is_secret(name: str, value: object) -> bool:
    """Return whether a value is secret by its name; a number never is (``max_new_tokens``)."""
    return bool(value) and not isinstance(value, int | float) and SECRET_NAME.search(name) is not None


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", re.IGNORECASE)


def _users() -> Iterator[str]:
    with contextlib.suppress(OSError, KeyError):
        yield getpass.getuser()
    yield from (os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER"))
    yield Path.home().name


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
