"""The end of a request in the worker: its transcript, or the error that made it fail."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from kernels.mel.audio import WINDOW_SECONDS
from server.engine.messages import Diarizing, Done, Failed
from server.engine.worker.backlog import Backlog
from server.engine.worker.reports import Reports
from server.engine.worker.request import Request
from server.errors import EngineFailure, WhisperXError

log = logging.getLogger(__name__)


class Finisher:
    """A helper that ends requests and sends their results to the server; any thread may call any method."""

    def __init__(self, backlog: Backlog, reports: Reports) -> None:
        self._backlog = backlog
        self._reports = reports

    @contextmanager
    def guarded(self, request: Request) -> Iterator[None]:
        """Catch an error of the ``with`` block, and fail the request with it, so that the calling thread can go on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  the outermost edge of the computation
            if self._backlog.remove(request):
                self._reports.send(Failed(request.id, _named(error, request)))

    def finish_if_complete(self, request: Request) -> None:
        """Finish a request, and send its transcript, if its file is read and all its windows are delivered.

        Diarization takes minutes, so it runs in a thread of its own.
        """
        if not self._backlog.remove_if_complete(request):
            return
        if request.diarize:  # takes minutes
            Thread(target=self._finish, args=(request,), name=f"diarize-{request.id}", daemon=True).start()
        else:
            self._finish(request)

    def _finish(self, request: Request) -> None:
        session = request.session
        windows = 1 + int(session.seconds / WINDOW_SECONDS)
        try:
            if request.diarize:
                self._reports.send(Diarizing(request.id))
            with (
                self._reports.announced(f"finish-{request.id}", "finish", windows, [request.id]),
                self._reports.measured("finish", windows),
            ):
                transcript = session.finish()
            self._reports.send(Done(request.id, transcript))
        except Exception as error:  # noqa: BLE001  the outermost edge of the computation
            self._reports.send(Failed(request.id, _named(error, request)))
        self._backlog.close(request)


def _named(error: Exception, request: Request) -> WhisperXError:
    if isinstance(error, WhisperXError):
        return error
    log.error("Request %d failed.", request.id, exc_info=error)
    return EngineFailure(f"The transcription failed: {type(error).__name__}.")
