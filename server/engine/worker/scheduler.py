"""Takes many requests through the stages side by side: a thread reads files, another one computes batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from threading import Condition, Thread
from time import perf_counter

from kernels.mel.audio import WINDOW_SECONDS
from server.engine.contract import Fallback, StageChoice, StageRun
from server.engine.messages import (
    Began,
    DevicesChanged,
    Diarizing,
    Done,
    DurationKnown,
    Ended,
    Failed,
    FromWorker,
    Observed,
    Started,
    Submit,
    WindowDone,
)
from server.engine.worker.queues import Queues, Sizes, Step
from server.engine.worker.request import Item, Request
from server.errors import EngineFailure, WhisperXError
from server.pipeline import batches
from server.pipeline.batches import Work, charged
from server.pipeline.loaded_model import Parts
from server.pipeline.session import Session

log = logging.getLogger(__name__)

Send = Callable[[FromWorker], None]


class Scheduler:
    """``submit`` and ``cancel`` may be called from any thread; everything else happens in the scheduler's own."""

    def __init__(
        self,
        parts: Parts,
        sizes: Sizes,
        send: Send,
        *,
        max_seconds: float,
        overlap: bool = False,
        choices: Callable[[], tuple[StageChoice, ...]] = tuple,
    ) -> None:
        self._parts = parts
        self._send = send
        self._choices = choices
        self._max_seconds = max_seconds
        self._changed = Condition()
        self._queues = Queues(sizes)
        self._closing: list[Request] = []
        lanes: tuple[tuple[str, ...], ...] = (("encoder",), ("decoder",)) if overlap else (("decoder", "encoder"),)
        self._threads = [Thread(target=self._read_files, name="reader", daemon=True)]
        self._threads += [
            Thread(target=self._compute, args=(stages,), name="+".join(stages), daemon=True) for stages in lanes
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def submit(self, submit: Submit) -> None:
        session = Session(
            self._parts,
            submit.options,
            max_seconds=self._max_seconds,
            resume=submit.resume,
            number=submit.request,
        )
        with self._changed:
            self._queues.add(Request(submit, session))
            self._changed.notify_all()

    def cancel(self, request_id: int) -> None:
        """Its windows are dropped, but for those of the batch that runs."""
        with self._changed:
            if request := self._queues.requests.get(request_id):
                self._leave(request)

    def _leave(self, request: Request) -> None:
        self._queues.remove(request)
        self._closing.append(request)  # by the thread that reads it
        self._changed.notify_all()

    # Reading

    def _read_files(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._queues.next_to_read())
                closing, self._closing = self._closing, []
                request = self._queues.next_to_read()
            for left in closing:
                if left.opened:
                    left.session.close()
            if request:
                with self._guarded(request):
                    self._read(request)

    def _read(self, request: Request) -> None:
        if not request.probed:
            with self._announced("reader", "open", 1, [request.id]):
                request.probe()
            self._send(DurationKnown(request.id, request.seconds))
            return
        with self._announced("reader", "read", 1, [request.id]) as windows:
            if not request.opened:
                request.session.open(request.path)
                request.opened = True
                self._send(Started(request.id))
            cut = request.session.read()
            windows.append(len(cut or ()))
        with self._changed:
            if request.over:
                return
            request.read_whole = cut is None
            self._queues.cut(request, cut or ())
            self._changed.notify_all()
        self._finish_if_whole(request)

    # Computing

    def _compute(self, stages: tuple[str, ...]) -> None:
        while True:
            with self._changed:
                step = self._changed.wait_for(lambda: self._queues.next_step(stages))
            assert step  # noqa: S101
            run = self._encode if step.stage == "encoder" else self._decode
            self._run_step(run, step)

    def _run_step(self, run: Callable[[Step], None], step: Step) -> None:
        """What fails in a batch is tried alone, so that it fails for its own request only."""
        try:
            run(step)
        except Exception:  # noqa: BLE001  the outermost edge of the computation
            for entry in step.items:
                with self._guarded(entry[1].request):
                    run(Step(step.stage, [entry]))

    def _encode(self, step: Step) -> None:
        served_by = self._parts.encoder.device
        batches.encode(self._parts, [item.work for _, item in step.items], self._watch)
        if self._parts.encoder.device != served_by:
            self._send(Observed(Fallback(self._parts.name, "encoder", self._parts.npu.reason("encoder"))))
            self._send(DevicesChanged(self._choices()))
        for _, item in step.items:
            if not item.request.over:
                with self._guarded(item.request):
                    item.request.session.settle(item.work, self._watch)
        with self._changed:
            self._queues.encoded(step.items)
            self._changed.notify_all()

    def _decode(self, step: Step) -> None:
        reasons = batches.decode(self._parts, [item.work for _, item in step.items], self._watch)
        for reason in filter(None, reasons):
            self._send(Observed(Fallback(self._parts.name, "decoder", reason)))
        again = [entry for entry in step.items if entry[1].work.temperature is not None]
        with self._changed:
            self._queues.again(again)
            self._changed.notify_all()
        done = [item for _, item in step.items if item.work.temperature is None and not item.request.over]
        for _, items in groupby(sorted(done, key=_request_id), key=_request_id):
            group = list(items)
            with self._guarded(group[0].request):
                self._complete(group[0].request, [item.work for item in group])

    def _complete(self, request: Request, works: list[Work]) -> None:
        session = request.session
        session.complete(works, self._watch)
        for delivered in session.deliver():
            language = session.language or ("", 0.0)
            with self._changed:
                if request.over:
                    return
                request.undelivered -= 1
                self._changed.notify_all()
            self._send(
                WindowDone(request.id, delivered.index, delivered.end, session.duration, delivered.segments, *language)
            )
        self._finish_if_whole(request)

    # The end

    def _finish_if_whole(self, request: Request) -> None:
        with self._changed:
            if request.over or not request.read_whole or request.undelivered:
                return
            self._queues.requests.pop(request.id)
            request.over = True
        if request.diarize:  # minutes: in a thread of its own
            Thread(target=self._finish, args=(request,), name=f"diarize-{request.id}", daemon=True).start()
        else:
            self._finish(request)

    def _finish(self, request: Request) -> None:
        session, lane = request.session, f"finish-{request.id}"
        try:
            if request.diarize:
                self._send(Diarizing(request.id))
            with self._announced(lane, "finish", 1 + int(session.seconds / WINDOW_SECONDS), [request.id]):
                transcript = session.finish()
            self._send(Done(request.id, transcript))
        except Exception as error:  # noqa: BLE001  the outermost edge of the computation
            self._send(Failed(request.id, _named(error, request)))
        with self._changed:
            self._leave(request)

    @contextmanager
    def _guarded(self, request: Request) -> Iterator[None]:
        """An error ends its request, and nothing else."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  the outermost edge of the computation
            with self._changed:
                known = not request.over
                self._leave(request)
            if known:
                self._send(Failed(request.id, _named(error, request)))

    @contextmanager
    def _watch(self, stage: str, device: str, works: Sequence[Work]) -> Iterator[None]:
        ids = dict.fromkeys(work.session.number for work in works)
        with self._announced(f"compute-{stage}", stage, len(works), ids, device), charged(stage, device, works):
            yield

    @contextmanager
    def _announced(
        self, lane: str, stage: str, windows: int, requests: Iterable[int], device: str = "cpu"
    ) -> Iterator[list[int]]:
        """Says what is going on before it can go wrong; the number of windows may be put right in what it yields."""
        self._send(Began(lane, stage, windows, tuple(requests)))
        began = perf_counter()
        counted: list[int] = []
        try:
            yield counted
            seconds = perf_counter() - began
            done = sum(counted) if counted else windows
            self._send(Observed(StageRun(self._parts.name, stage, device, done, seconds)))
        finally:
            self._send(Ended(lane))


def _request_id(item: Item) -> int:
    return item.request.id


def _named(error: Exception, request: Request) -> WhisperXError:
    if isinstance(error, WhisperXError):
        return error
    log.error("Request %d failed.", request.id, exc_info=error)
    return EngineFailure(f"The transcription failed: {type(error).__name__}.")
