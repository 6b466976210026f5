"""A Hugging Face Hub on localhost: enough of its HTTP interface for huggingface_hub to download a repository."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REVISION = "0123456789abcdef0123456789abcdef01234567"


class LocalHub(ThreadingHTTPServer):
    """Serves ``repositories``, a mapping of id to directory.

    ``break_after`` bytes of a file, once, the connection breaks. ``ranges`` are the Range headers that were sent,
    ``sent`` the bytes of files that went out.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Path] = {}
        self.break_after: int | None = None
        self.ranges: list[str] = []
        self.requests = 0
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: LocalHub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name in the base class
        """Keep quiet."""

    def _answer(self, *, with_body: bool) -> None:
        self.server.requests += 1
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._describe("/".join(parts[2:4]))
        else:
            self._send_file("/".join(parts[:2]), parts[-1], with_body=with_body)

    def _describe(self, repository: str) -> None:
        directory = self.server.repositories.get(repository)
        if directory is None:
            self._send(404, {"X-Error-Code": "RepoNotFound"}, b"{}")
            return
        siblings = [{"rfilename": path.name, "size": path.stat().st_size} for path in sorted(directory.iterdir())]
        body = {"id": repository, "modelId": repository, "sha": REVISION, "siblings": siblings}
        self._send(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _send_file(self, repository: str, name: str, *, with_body: bool) -> None:
        data = (self.server.repositories[repository] / name).read_bytes()
        headers = {"X-Repo-Commit": REVISION, "ETag": f'"{hashlib.sha256(data).hexdigest()}"', "Accept-Ranges": "bytes"}
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
        self.server.sent += len(data[start:]) if with_body else 0
        self._send(206 if start else 200, headers, data[start:] if with_body else b"", length=len(data) - start)

    def _send(self, status: int, headers: dict[str, str], body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
