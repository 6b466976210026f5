"""The threads of a worker that take many requests through the stages: one reads files, one or two compute batches."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

from server.engine.messages import Submit
from server.engine.worker.backlog import Backlog
from server.engine.worker.batch_runner import BatchRunner
from server.engine.worker.file_reader import FileReader
from server.engine.worker.finisher import Finisher
from server.engine.worker.pace import Pace
from server.engine.worker.queues import StageName
from server.engine.worker.reports import Reports, Send
from server.engine.worker.request import Request
from server.pipeline.loaded_model import LoadedModel
from server.transcript import StageChoice

TOGETHER: tuple[tuple[StageName, ...], ...] = (("decoder", "encoder"),)
APART: tuple[tuple[StageName, ...], ...] = (("encoder",), ("decoder",))


class Scheduler:
    """The threads that transcribe a worker's requests.

    Any thread may call ``submit`` and ``cancel``, which return at once. ``pace`` sets the batch sizes, and whether
    encoder and decoder compute side by side, in two threads. ``send`` is called with every message for the server,
    ``choices`` returns the device of each stage, and recordings longer than ``max_seconds`` fail.

        scheduler = Scheduler(model, Pace.of(model), print, max_seconds=3600)
        scheduler.start()
        scheduler.submit(Submit(1, Path("talk.mp3"), Options()))  # prints WindowDone messages, and Done at the end
    """

    def __init__(
        self,
        model: LoadedModel,
        pace: Pace,
        send: Send,
        *,
        max_seconds: float,
        choices: Callable[[], tuple[StageChoice, ...]] = tuple,
    ) -> None:
        self._backlog = Backlog(pace.sizes)
        reports = Reports(model.name, send)
        finisher = Finisher(self._backlog, reports)
        reader = FileReader(model, self._backlog, reports, finisher, max_seconds=max_seconds)
        runner = BatchRunner(model, self._backlog, reports, finisher, pace, choices)
        self._threads = [Thread(target=reader.run, name="reader", daemon=True)]
        self._threads += [
            Thread(target=runner.run, args=(stages,), name="+".join(stages), daemon=True)
            for stages in (APART if pace.overlap else TOGETHER)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def idle(self) -> bool:
        """True while there is no request."""
        return self._backlog.idle

    def submit(self, submit: Submit) -> None:
        """Add a request to the queues; messages about it are sent until Done or Failed."""
        self._backlog.add(Request(submit))

    def cancel(self, request_id: int) -> None:
        """Drop a request and its queued windows; a batch that is being computed goes on. No message is sent."""
        if request := self._backlog.find(request_id):
            self._backlog.remove(request)
