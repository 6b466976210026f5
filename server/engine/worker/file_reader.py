"""The thread that reads the files of all requests in turn, 10 s of audio at a time."""

from __future__ import annotations

from time import perf_counter
from typing import NoReturn

from server.engine.messages import DurationKnown, Started
from server.engine.worker.backlog import Backlog
from server.engine.worker.finisher import Finisher
from server.engine.worker.reports import Reports
from server.engine.worker.request import Request
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.session import Session
from server.pipeline.work import Work


class FileReader:
    """The work of the reading thread: it probes, opens, reads and closes the files of all requests.

    ``max_seconds`` is the longest recording that is accepted.
    """

    def __init__(
        self, model: LoadedModel, backlog: Backlog, reports: Reports, finisher: Finisher, *, max_seconds: float
    ) -> None:
        self._model = model
        self._backlog = backlog
        self._reports = reports
        self._finisher = finisher
        self._max_seconds = max_seconds

    def run(self) -> NoReturn:
        """Read files, whichever request is next, until the process ends."""
        while True:
            over, request = self._backlog.next_to_read()
            for other in over:
                other.close()
            if request:
                with self._finisher.guarded(request):
                    self._probe(request) if not request.probed else self._read(request)

    def _probe(self, request: Request) -> None:
        with self._reports.announced("reader", "open", 1, [request.id]), self._reports.measured("open", 1):
            request.probe()
        self._reports.send(DurationKnown(request.id, request.seconds))

    def _read(self, request: Request) -> None:
        with self._reports.announced("reader", "read", 1, [request.id]):
            began = perf_counter()
            works = self._works(request)
            self._reports.ran("read", len(works or ()), perf_counter() - began)
        self._backlog.cut(request, works)
        self._finisher.finish_if_complete(request)

    def _works(self, request: Request) -> list[Work] | None:
        if not request.begun:
            submit = request.submit
            session = Session.open(
                self._model,
                submit.path,
                submit.options,
                max_seconds=self._max_seconds,
                resume=submit.resume,
                number=request.id,
            )
            request.begin(session)
            self._reports.send(Started(request.id))
        return request.session.read()
