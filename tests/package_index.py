"""A package index on localhost, wheels that hold data, and a table of models that knows them."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from server.checkpoints.sources.table import KnownFile, KnownModel, Wheel

PIECE = 20_000  # bytes that are sent at a time


class LocalIndex(ThreadingHTTPServer):
    """Serves ``wheels``, a mapping of package to file, as the simple repository of PEP 503.

    ``break_after`` bytes of a wheel, the connection breaks. After ``stall_after`` bytes of one, nothing more
    comes. ``silent`` accepts connections and never answers. As a proxy it refuses every connection. ``asked`` are the
    packages that were looked up, ``sent`` the bytes of wheels that went out, of each package.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wheels: dict[str, Path] = {}
        self.break_after: int | None = None
        self.stall_after: int | None = None
        self.silent = False
        self.asked: list[str] = []
        self.sent: dict[str, int] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.address}/simple"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that is gone: one that was given up, or killed by a test."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serving_packages() -> Iterator[LocalIndex]:
    with LocalIndex() as index:
        thread = threading.Thread(target=index.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield index
        index.stall_after = None
        index.silent = False
        index.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: LocalIndex

    def do_CONNECT(self) -> None:
        self.send_error(403, "Forbidden by the proxy")

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name in the base class
        """Log nothing."""

    def _answer(self, *, with_body: bool) -> None:
        while self.server.silent:
            time.sleep(0.05)
        match self.path.strip("/").split("/"):
            case ["simple", package]:
                self.server.asked.append(package)
                wheel = self.server.wheels.get(package)
                page = f'<a href="/files/{package}/{wheel.name}">{wheel.name}</a>'.encode() if wheel else b""
                self._send(200 if wheel else 404, "text/html", page, with_body=with_body)
            case ["files", package, _name]:
                self._send_wheel(package, self.server.wheels[package].read_bytes(), with_body=with_body)
            case _:
                self.send_error(404)

    def _send_wheel(self, package: str, data: bytes, *, with_body: bool) -> None:
        self._send(200, "application/octet-stream", b"", with_body=False, length=len(data))
        if not with_body:
            return
        with suppress(ConnectionError):
            for at in range(0, len(data), PIECE):
                if self.server.break_after is not None and at >= self.server.break_after:
                    self.close_connection = True
                    return
                while self.server.stall_after is not None and at >= self.server.stall_after:
                    time.sleep(0.05)
                self.wfile.write(data[at : at + PIECE])
                self.server.sent[package] = self.server.sent.get(package, 0) + len(data[at : at + PIECE])

    def _send(self, status: int, kind: str, body: bytes, *, with_body: bool, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def write_wheel(folder: Path, package: str, members: Mapping[str, bytes]) -> Path:
    """Write a wheel of version 1.0 of a package, which would fail if it were imported."""
    module = package.replace("-", "_")
    path = folder / f"{module}-1.0-py3-none-any.whl"
    info = f"{module}-1.0.dist-info"
    files = {f"{module}/{name}": data for name, data in members.items()} | {
        f"{module}/__init__.py": b"raise SystemExit('it was imported')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD")).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(name, data)
    return path


def known_wheel(package: str, path: Path, members: Mapping[str, str]) -> Wheel:
    """Return the table's entry of a wheel; ``members`` are names in its module, and the files they belong to."""
    data = path.read_bytes()
    module = package.replace("-", "_")
    pairs = tuple((f"{module}/{member}", file) for member, file in members.items())
    return Wheel(package, "1.0", len(data), hashlib.sha256(data).hexdigest(), pairs)


def in_two_wheels(
    model: Path, folder: Path, name: str, repository: str, revision: str
) -> tuple[KnownModel, list[Path]]:
    """Put a model into two wheels, the second with three quarters of model.bin; return the table's entry and both."""
    files = {path.name: path.read_bytes() for path in sorted(model.iterdir())}
    weights = files["model.bin"]
    quarter = len(weights) // 4
    others = {name: data for name, data in files.items() if name != "model.bin"}
    first = write_wheel(folder, f"{name}-one", {"model.bin.part1": weights[:quarter], **others})
    second = write_wheel(folder, f"{name}-two", {"model.bin.part2": weights[quarter:]})
    known = KnownModel(
        name=name,
        repository=repository,
        licence="MIT",
        origin="the tests",
        revision=revision,
        files=tuple(KnownFile(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()),
        wheels=(
            known_wheel(f"{name}-one", first, {"model.bin.part1": "model.bin"} | {other: other for other in others}),
            known_wheel(f"{name}-two", second, {"model.bin.part2": "model.bin"}),
        ),
    )
    return known, [first, second]
