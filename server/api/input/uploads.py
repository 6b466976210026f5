"""Requests with a recording: it goes to a file on disk while it arrives, and the file never outlives the request."""

from __future__ import annotations

import asyncio
import errno
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from server.api.in_flight import RequestProgress, Requests
from server.api.input.multipart import FILE_FIELD, FormReader
from server.api.input.upload_folder import UploadFolder
from server.errors import Cancelled, InvalidInput, StorageFull

WRITE_BYTES = 1024 * 1024  # collected in memory before a thread writes them


@dataclass(frozen=True, slots=True)
class Upload:
    """The recording as it was sent, and the text fields in the order in which they came.

    ``seconds`` is how long it took to arrive; ``progress`` is where the request's own is noted.
    """

    path: Path
    fields: tuple[tuple[str, str], ...]
    seconds: float
    progress: RequestProgress


async def receive_form(request: Request) -> AsyncIterator[Upload]:
    """multipart/form-data only, as OpenAI's routes want it."""
    content_type = request.headers.get("content-type")
    if content_type is not None and not _is_multipart(content_type):
        raise HTTPException(415, f"Send multipart/form-data with a part named file, not {content_type}.")
    async with _followed(request) as upload:
        yield upload


async def receive_any(request: Request) -> AsyncIterator[Upload]:
    """multipart/form-data, or any other body as the recording itself; the query string holds fields too."""
    async with _followed(request) as upload:
        yield upload


@asynccontextmanager
async def _followed(request: Request) -> AsyncIterator[Upload]:
    requests: Requests = request.app.state.requests
    state = request.state
    with requests.following(state.job_id, state.request_id, state.key) as progress:
        async with _received(request, progress) as upload:
            yield upload


@asynccontextmanager
async def _received(request: Request, progress: RequestProgress) -> AsyncIterator[Upload]:
    begun = time.perf_counter()
    content_type = request.headers.get("content-type")
    form = FormReader(content_type) if content_type and _is_multipart(content_type) else None
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
        yield Upload(Path(file.name), (*request.query_params.multi_items(), *fields), seconds, progress)


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Also around the end of the file: what could not be written is tried once more when it is closed."""
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


async def _store(request: Request, form: FormReader | None, file: IO[bytes]) -> int:
    """Write the recording; disks may stall, so threads do it, a mebibyte at a time."""
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


UploadedForm = Annotated[Upload, Depends(receive_form)]
UploadedAny = Annotated[Upload, Depends(receive_any)]
