"""The run of one worker process: from its start, through its messages and its supervision, to its end."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from time import monotonic
from typing import Literal

from server.engine.contract import EngineProcess, Observer, Pull
from server.engine.messages import (
    DevicesChanged,
    Diarizing,
    Done,
    DurationKnown,
    Failed,
    FromWorker,
    Load,
    LogLine,
    Observed,
    Pulling,
    Ready,
    Started,
    WindowDone,
)
from server.engine.supervisor.memory_budget import MemoryBudget
from server.engine.supervisor.model_requests import ModelRequests
from server.engine.supervisor.worker_process import WorkerProcess
from server.errors import WhisperXError
from server.machine.memory import rss_bytes
from server.settings.service import EngineSettings
from server.transcript import StageChoice, StageTime

log = logging.getLogger(__name__)

TICK = 0.25  # seconds between two looks at the process

EndedBy = Literal["unloaded", "failed", "hang"]


@dataclass(slots=True)
class ModelRecord:
    """The facts about a model that outlive its worker processes.

    ``load`` is the first message to the next process. ``memory_bytes`` is what a process of the model took last, or is
    expected to take. ``keep_alive`` is the idle time in seconds before the model is unloaded, as in Ollama: -1 never, 0
    at once. ``stages``, ``warm_up`` and ``notes`` are those of the last process that was ready; ``error`` is the reason
    why the model cannot be run.
    """

    load: Load
    memory_bytes: int
    keep_alive: float
    stages: tuple[StageChoice, ...] = ()
    warm_up: tuple[StageTime, ...] = ()
    notes: tuple[str, ...] = ()
    error: WhisperXError | None = None

    @property
    def name(self) -> str:
        return self.load.model


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """The end of a worker process and its cause.

    ``status`` is its exit status, negative for a signal. ``ended_by`` is the server's reason to end it, None where the
    process ended by itself. ``at_work`` are the numbers of the requests that it was working on.
    """

    status: int
    ended_by: EndedBy | None
    was_ready: bool
    was_pulling: bool
    at_work: frozenset[int]
    freed_bytes: int

    @property
    def how(self) -> str:
        """The end as words that follow "The process" in a sentence, such as "was killed by signal 9"."""
        if self.ended_by == "hang":
            return "hung"
        return f"was killed by signal {-self.status}" if self.status < 0 else f"ended with status {self.status}"

    @property
    def restart_reason(self) -> str:
        """The cause of the end as the metrics name it: hang, killed, crash, or load (the model was not loaded yet)."""
        if self.ended_by == "hang":
            return "hang"
        if not self.was_ready:
            return "load"
        return "killed" if self.status == -9 else "crash"


class ProcessRun:
    """A running worker process, the requests that it is given, and the rules by which it is ended."""

    def __init__(
        self,
        worker: WorkerProcess,
        record: ModelRecord,
        requests: ModelRequests,
        budget: MemoryBudget,
        settings: EngineSettings,
        observe: Observer,
    ) -> None:
        self.worker = worker
        self._record = record
        self._requests = requests
        self._budget = budget
        self._settings = settings
        self._observe = observe
        self._ended_by: EndedBy | None = None

    @property
    def ready(self) -> bool:
        """True once the process has loaded its model."""
        return self.worker.ready

    @property
    def pull(self) -> Pull | None:
        """The progress of the model's download, None while there is none."""
        return self.worker.pull

    def status(self, restarts: int) -> EngineProcess:
        """Return the process's state and memory; ``restarts`` counts the model's processes that failed before."""
        state: Literal["starting", "ready"] = "ready" if self.ready else "starting"
        pid = self.worker.pid
        return EngineProcess(self._record.name, pid, state, rss_bytes(pid), restarts)

    def is_idle(self) -> bool:
        """Return True if the model is loaded and the process works on no request."""
        return self.ready and not self._requests.submitted

    def submit(self, *, at_once: bool = False) -> None:
        """Send the waiting requests to the process, if it is ready and no other model waits for its memory.

        ``at_once`` sends them even if another model waits.
        """
        if self.ready and self._ended_by is None and (at_once or not self._budget.contended):
            for ticket in self._requests.waiting:
                self.worker.send(ticket.submit())

    def end(self, why: EndedBy) -> None:
        """Kill the process, and record the reason if it is the first."""
        if self._ended_by is None:
            self._ended_by = why
            self.worker.kill()

    async def finished(self) -> ProcessEnd:
        """Handle the messages of the process and watch it until it has ended; return how it ended.

        If this coroutine is cancelled, the process is killed.
        """
        watchdog = asyncio.create_task(self._watch())
        try:
            async for message in self.worker.messages():
                self._handle(message)
        finally:
            watchdog.cancel()
            self.worker.kill()
            freed = rss_bytes(self.worker.pid)
            status = await asyncio.shield(self.worker.reap())
        worker = self.worker
        return ProcessEnd(status, self._ended_by, worker.ready, worker.pulling, worker.at_work, freed)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            if why := self.worker.overdue(self._settings.hang_seconds, self._settings.window_seconds):
                log.error("The process of model %s hangs (%s) and is killed.", self._record.name, why)
                self.end("hang")
            elif self._is_expired():
                self.end("unloaded")
            self.submit()
            if self._budget.contended and self.is_idle():
                await self._budget.recheck()

    def _is_expired(self) -> bool:
        idle = monotonic() - self._requests.last_used
        return 0 <= self._record.keep_alive <= idle and self.is_idle() and not self._requests.tickets

    def _handle(self, message: FromWorker) -> None:
        match message:
            case Pulling(Pull()):
                self._record.error = None  # the hub answers again
            case Ready():
                self._loaded(message)
            case DevicesChanged(stages):
                self._record.stages = stages
            case Observed(what):
                self._observe(what)
            case LogLine(logger, level, text):
                logging.getLogger(logger).log(level, "%s", text)
            case Failed(None, error):
                self._ended_by, self._record.error = "failed", error
            case DurationKnown() | Started() | WindowDone() | Diarizing() | Done() | Failed():
                self._requests.handle(message)
            case _:
                pass

    def _loaded(self, ready: Ready) -> None:
        record = self._record
        self.worker.ready = True
        record.error = None
        record.stages, record.warm_up, record.notes = ready.stages, ready.warm_up, ready.notes
        record.load = replace(record.load, measured=ready.measured)
        record.memory_bytes = rss_bytes(self.worker.pid)
        self._requests.last_used = monotonic()
        log.info("Model %s is loaded and takes %d MB.", record.name, record.memory_bytes >> 20)
        self.submit(at_once=True)  # it was loaded for these
