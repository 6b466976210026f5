"""Authentication of HTTP requests by API keys, before a byte of the body is read.

Logs contain the names of keys only, and the memory of the process contains their digests only.
"""

from __future__ import annotations

import hmac
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.edge.refusal import refuse
from server.errors import ConfigurationError, KeyBusy, Unauthorized

KEY_LINE = re.compile(r"([A-Za-z0-9._-]{1,64}):\s*(\S+)")
DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
MIN_KEY_LENGTH = 16
RETRY_SECONDS = 1.0  # for a key that is busy: nobody knows which of its requests ends next


class Keys:
    """The API keys that this server accepts: the name of each, with the SHA-256 digest of the key."""

    def __init__(self, digests: Mapping[str, bytes]) -> None:
        self._digests = dict(digests)

    @classmethod
    def read(cls, path: Path) -> Keys:
        """Read a file with a line ``name: key`` for each key; ``key`` may be ``sha256:`` and the digest in hexadecimal.

        Raises ConfigurationError that gives the number of a wrong line and never quotes it.
        """
        try:
            lines = path.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"The file of keys {path} cannot be read.", param="auth.keys_file") from error
        digests: dict[str, bytes] = {}
        for number, line in enumerate(map(str.strip, lines), start=1):
            if line and not line.startswith("#"):
                name, digest = _key(f"{path}, line {number}", line)
                if name in digests or digest in digests.values():
                    raise ConfigurationError(f"{path}, line {number}: name or key twice.", param="auth.keys_file")
                digests[name] = digest
        if not digests:
            raise ConfigurationError(f"The file of keys {path} holds none.", param="auth.keys_file")
        return cls(digests)

    def name_of(self, key: str) -> str | None:
        """Return the name of a key, None if it is not known.

        The time is the same for every key: all digests are compared, each in constant time.
        """
        given = sha256(key.encode()).digest()
        names = [name for name, digest in self._digests.items() if hmac.compare_digest(digest, given)]
        return names[0] if names else None


def _key(where: str, line: str) -> tuple[str, bytes]:
    match = KEY_LINE.fullmatch(line)
    if not match:
        raise ConfigurationError(
            f"{where}: not `name: key`.", param="auth.keys_file", cure="A name has letters, digits, '.', '_' and '-'."
        )
    name, key = match.groups()
    if hashed := DIGEST.fullmatch(key):
        return name, bytes.fromhex(hashed[1])
    if len(key) < MIN_KEY_LENGTH:
        raise ConfigurationError(
            f"{where}: the key has fewer than {MIN_KEY_LENGTH} characters.",
            param="auth.keys_file",
            cure="`openssl rand -hex 24` makes a good one.",
        )
    return name, sha256(key.encode()).digest()


class Authentication:
    """Middleware that answers 401 to requests without a known key, except on ``open_paths``.

    It stores the name of the key in ``scope["state"]["key"]``.
    """

    def __init__(self, app: ASGIApp, keys: Keys, open_paths: Iterable[str]) -> None:
        self.app = app
        self.keys = keys
        self.open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] in self.open_paths:
            await self.app(scope, receive, send)
            return
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        name = self.keys.name_of(key.strip()) if scheme.lower() == "bearer" else None
        if name is not None:
            scope.setdefault("state", {})["key"] = name
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            what = "This API key is not known here." if key else "An API key is needed."
            await refuse(Unauthorized(what, cure="Send the header Authorization: Bearer <key>."), scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


class KeyLimit:
    """Middleware that answers 429 to a POST request while ``most`` others of its API key run, uploads included."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app = app
        self.most = most
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = scope.get("state", {}).get("key")
        if key is None or scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
        elif self._under_way[key] >= self.most:
            why = f"{self.most} requests of this API key are under way already."
            await refuse(KeyBusy(why, retry_after=RETRY_SECONDS), scope, receive, send)
        else:
            self._under_way[key] += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self._under_way[key] -= 1
