"""A Hugging Face Hub on localhost, with enough of its HTTP interface for huggingface_hub to download a repository."""

from __future__ import annotations

import hashlib
import json
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PIECE = 20_000  # bytes that are sent at a time where the speed is limited
REVISION = "0123456789abcdef0123456789abcdef01234567"


class LocalHub(ThreadingHTTPServer):
    """A Hugging Face Hub that serves ``repositories``, a mapping of id to directory.

    If ``break_after`` is set, the connection breaks, once, after that many bytes of a file. If ``stall_after`` is set,
    nothing is sent after that many bytes of a file. ``rate`` limits the bytes per second. ``silent`` accepts
    connections and never answers. ``gated`` refuses every repository, as if the user had not accepted its terms.
    ``xet`` announces files in another store as well, which does not exist. Requests for any host are answered, so that
    the hub can serve as a proxy. ``withdrawn`` are revisions that no repository has any longer, and ``licence`` is
    named in every description of a model. ``revisions`` are those that were asked for, ``ranges`` the Range headers of
    requests, ``sent`` the bytes of files that were sent, and ``first_request`` the time of the first request by
    ``time.monotonic``.
    """

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that is gone: one that was given up, or killed by a test."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        super().__init__((host, port), _Handler)
        self.repositories: dict[str, Path] = {}
        self.break_after: int | None = None
        self.stall_after: int | None = None
        self.rate: int | None = None
        self.silent = False
        self.gated = False
        self.xet = False
        self.withdrawn: set[str] = set()
        self.licence: str | None = None
        self.revisions: list[str] = []
        self.ranges: list[str] = []
        self.scheme = "http"
        self.requests = 0
        self.first_request = 0.0
        self.sent = 0

    def use_tls(self, certificate: Path) -> None:
        """Serve https from now on, with a PEM file of a key and its certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.server_address[0]!s}:{self.server_address[1]}"


@contextmanager
def serving(port: int = 0, host: str = "127.0.0.1") -> Iterator[LocalHub]:
    with LocalHub(port, host) as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield hub
        hub.stall_after = hub.rate = None
        hub.silent = False
        hub.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: LocalHub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name in the base class
        """Log nothing."""

    def _answer(self, *, with_body: bool) -> None:
        self.server.first_request = self.server.first_request or time.monotonic()
        self.server.requests += 1
        while self.server.silent:
            time.sleep(0.05)
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._describe("/".join(parts[2:4]), asked_for=parts[4:])
        else:
            self._send_file("/".join(parts[:2]), parts[3], parts[-1], with_body=with_body)

    def _describe(self, repository: str, asked_for: list[str]) -> None:
        directory = self.server.repositories.get(repository)
        if directory is None:
            self._send(404, {"X-Error-Code": "RepoNotFound"}, b"{}")
            return
        if asked_for == ["auth-check"]:
            self._send(*((403, {"X-Error-Code": "GatedRepo"}) if self.server.gated else (200, {})), b"{}")
            return
        revision = REVISION
        if asked_for[:1] == ["revision"]:
            revision = asked_for[1]
            self.server.revisions.append(revision)
        if revision in self.server.withdrawn:
            self._send(404, {"X-Error-Code": "RevisionNotFound"}, b"{}")
            return
        siblings = [{"rfilename": path.name, "size": path.stat().st_size} for path in sorted(directory.iterdir())]
        body: dict[str, object] = {"id": repository, "modelId": repository, "sha": revision, "siblings": siblings}
        body |= {"gated": "auto"} if self.server.gated else {}
        body |= {"cardData": {"license": self.server.licence}} if self.server.licence else {}
        self._send(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _send_file(self, repository: str, revision: str, name: str, *, with_body: bool) -> None:
        data = (self.server.repositories[repository] / name).read_bytes()
        headers = {"X-Repo-Commit": revision, "ETag": f'"{hashlib.sha256(data).hexdigest()}"', "Accept-Ranges": "bytes"}
        if self.server.xet:
            headers |= {"X-Xet-Hash": "0" * 64, "X-Xet-Refresh-Route": f"{self.server.url}/no/such/route"}
        start = 0
        requested = self.headers.get("Range")
        if requested and with_body:
            self.server.ranges.append(requested)
            start = int(requested.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        limit = self.server.break_after
        if with_body and limit is not None and len(data) > limit:
            self.server.break_after = None
            self._send(200, headers, data[:limit], length=len(data))
            self.connection.close()
            return
        self._send(206 if start else 200, headers, b"", length=len(data) - start)
        if with_body:
            with suppress(ConnectionError):
                self._send_body(data, start)

    def _send_body(self, data: bytes, start: int) -> None:
        for at in range(start, len(data), PIECE):
            while self.server.stall_after is not None and at >= self.server.stall_after:
                time.sleep(0.05)
            self.wfile.write(data[at : at + PIECE])
            self.server.sent += len(data[at : at + PIECE])
            if self.server.rate:
                time.sleep(PIECE / self.server.rate)

    def _send(self, status: int, headers: dict[str, str], body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
