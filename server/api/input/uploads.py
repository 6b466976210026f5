"""Receiving a recording: it is written to a file on disk while it arrives, and deleted when its request ends."""

from __future__ import annotations

import asyncio
import errno
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from server.api.in_flight import InFlightRequests, RequestProgress
from server.api.input.multipart import FILE_FIELD, MultipartReader
from server.api.input.upload_folder import UploadFolder
from server.engine.contract import Job
from server.errors import Cancelled, InvalidInput, StorageFull
from server.transcript import Options

WRITE_BYTES = 1024 * 1024  # collected in memory before a thread writes them


@dataclass(frozen=True, slots=True)
class Upload:
    """A received request: the file with the recording as it was sent, and the text fields in the order of arrival.

    ``seconds`` is the time that the body took to arrive. ``progress`` records the progress of this request; its ``id``
    is the id of the job. ``extension`` is that of the file's name if its format has no signature.
    """

    path: Path
    fields: tuple[tuple[str, str], ...]
    seconds: float
    progress: RequestProgress
    extension: str | None = None

    def job(self, options: Options) -> Job:
        """Return the job that transcribes this recording."""
        return Job(
            self.progress.id, self.path, replace(options, audio=replace(options.audio, extension=self.extension))
        )


async def _multipart_upload(request: Request) -> AsyncIterator[Upload]:
    """FastAPI dependency that receives a multipart/form-data request, as OpenAI's routes accept it.

    Another content type is answered with 415.
    """
    content_type = request.headers.get("content-type")
    if content_type is not None and not _is_multipart(content_type):
        raise HTTPException(415, f"Send multipart/form-data with a part named file, not {content_type}.")
    async with _tracked(request) as upload:
        yield upload


async def _any_upload(request: Request) -> AsyncIterator[Upload]:
    """FastAPI dependency that receives multipart/form-data, or any other body as the recording itself.

    The query string may hold fields too.
    """
    async with _tracked(request) as upload:
        yield upload


@asynccontextmanager
async def _tracked(request: Request) -> AsyncIterator[Upload]:
    requests: InFlightRequests = request.app.state.requests
    state = request.state
    with requests.tracked(state.job_id, state.request_id, state.key) as progress:
        async with _received(request, progress) as upload:
            yield upload


@asynccontextmanager
async def _received(request: Request, progress: RequestProgress) -> AsyncIterator[Upload]:
    begun = time.perf_counter()
    content_type = request.headers.get("content-type")
    form = MultipartReader(content_type) if content_type and _is_multipart(content_type) else None
    folder: UploadFolder = request.app.state.uploads
    with _storage_errors(), folder.file() as file:
        try:
            size = await _store(request, form, file)
        except ClientDisconnect as error:
            raise Cancelled("The client left while it was sending.") from error
        fields = form.close() if form else []
        missing = not form.has_file if form else content_type is None and size == 0
        if missing:
            raise InvalidInput("The recording is missing.", param=FILE_FIELD, cure="Send it as the form field file.")
        seconds = time.perf_counter() - begun
        texts = (*request.query_params.multi_items(), *fields)
        yield Upload(Path(file.name), texts, seconds, progress, form.extension if form else None)


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Context manager that turns the OSError of a full disk or quota into StorageFull.

    The block must include the closing of the file, because closing tries once more to write the bytes that are left.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = tempfile.gettempdir()
        raise StorageFull(
            f"There is no space for the recording: {error.strerror}.",
            cure=f"Free the disk of the server's directory {where}, or set TMPDIR to another.",
        ) from error


async def _store(request: Request, form: MultipartReader | None, file: IO[bytes]) -> int:
    """Write the recording from the request's body to ``file``, and return its size in bytes.

    A thread writes each mebibyte, because a disk may stall.
    """
    size = 0
    collected = bytearray()
    async for chunk in request.stream():
        collected += form.feed(chunk) if form else chunk
        if len(collected) >= WRITE_BYTES:
            size += len(collected)
            await asyncio.to_thread(file.write, bytes(collected))
            collected.clear()
    file.write(collected)
    await asyncio.to_thread(file.flush)
    return size + len(collected)


def _is_multipart(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


MultipartUploadDep = Annotated[Upload, Depends(_multipart_upload)]
AnyUploadDep = Annotated[Upload, Depends(_any_upload)]
