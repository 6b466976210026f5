"""The threads of a worker that compute batches of windows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from time import perf_counter
from typing import NoReturn

from server.engine.messages import DevicesChanged, WindowDone
from server.engine.worker.backlog import Backlog
from server.engine.worker.finisher import Finisher
from server.engine.worker.pace import Pace
from server.engine.worker.queues import StageName, Step
from server.engine.worker.reports import Reports
from server.engine.worker.request import Request
from server.pipeline import batches
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.work import Work
from server.transcript import StageChoice


class BatchRunner:
    """The work of the computing threads: batches through encoder and decoder, then windows through the later stages.

    ``pace`` sets the batch sizes, and learns from every batch that is decoded. ``choices`` returns the device of each
    stage; the server is sent it again when the NPU is retired or the batch sizes change.
    """

    def __init__(
        self,
        model: LoadedModel,
        backlog: Backlog,
        reports: Reports,
        finisher: Finisher,
        pace: Pace,
        choices: Callable[[], tuple[StageChoice, ...]],
    ) -> None:
        self._model = model
        self._backlog = backlog
        self._reports = reports
        self._finisher = finisher
        self._pace = pace
        self._choices = choices

    def run(self, stages: tuple[StageName, ...]) -> NoReturn:
        """Compute batches of these stages, whichever is next, until the process ends."""
        while True:
            self._compute_or_split(self._backlog.next_step(stages))

    def _compute_or_split(self, step: Step) -> None:
        """Compute a batch; if it fails, compute each window alone, so that the error ends its own request only."""
        try:
            self._compute(step)
        except Exception:  # noqa: BLE001  the outermost edge of the computation
            for tag, work in step.entries:
                if request := self._backlog.find(work.request):
                    with self._finisher.guarded(request):
                        self._compute(Step(step.stage, [(tag, work)]))

    def _compute(self, step: Step) -> None:
        if step.stage == "encoder":
            self._encode(step)
        else:
            self._decode(step)

    def _encode(self, step: Step) -> None:
        served_by = self._model.encoder.device
        batches.encode(self._model, step.works, self._reports.watch)
        if self._model.encoder.device != served_by:
            self._reports.fell_back("encoder", "npu_retired")
            self._reports.send(DevicesChanged(self._choices()))
        for work in step.works:
            if request := self._backlog.find(work.request):
                with self._finisher.guarded(request):
                    request.session.prepare(work, self._reports.watch)
        self._backlog.encoded(step)

    def _decode(self, step: Step) -> None:
        first_try = step.works[0].temperature == 0.0
        began = perf_counter()
        for reason in batches.decode(self._model, step.works, self._reports.watch):
            if reason is not None:
                self._reports.fell_back("decoder", reason)
        if first_try and self._pace.decoded(step.works, perf_counter() - began):
            self._backlog.resize(self._pace.sizes)
            self._reports.send(DevicesChanged(self._choices()))
        self._backlog.encode_in_full([(tag, work) for tag, work in step.entries if work.waits_for_encoder])
        self._backlog.decode_again([(tag, work) for tag, work in step.entries if work.temperature is not None])
        decoded = sorted((work for work in step.works if work.decoded), key=_request)
        for number, works in groupby(decoded, key=_request):
            if request := self._backlog.find(number):
                with self._finisher.guarded(request):
                    self._complete(request, list(works))

    def _complete(self, request: Request, works: list[Work]) -> None:
        session = request.session
        self._backlog.encode_again(request, session.complete(works, self._reports.watch))
        for delivered in session.deliver():
            if not self._backlog.delivered(request):
                return
            self._reports.send(
                WindowDone(
                    request.id,
                    delivered.index,
                    delivered.end,
                    session.duration,
                    delivered.segments,
                    session.languages,
                    delivered.lost,
                )
            )
        self._finisher.finish_if_complete(request)


def _request(work: Work) -> int:
    return work.request
