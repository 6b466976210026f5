"""A model as the HTTP process manages it: its requests, and the worker processes that run it one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Literal

from server.engine.contract import EngineProcess, Observer, Pull, Restart
from server.engine.messages import Cancel, Load
from server.engine.supervisor.memory_budget import MemoryBudget
from server.engine.supervisor.model_requests import ModelRequests
from server.engine.supervisor.process_run import ModelRecord, ProcessEnd, ProcessRun
from server.engine.supervisor.ticket import Ticket
from server.engine.supervisor.worker_process import Launch, WorkerProcess
from server.errors import EngineFailure, ModelUnavailable, NotReady, WhisperXError
from server.machine.memory import rss_bytes
from server.settings.service import EngineSettings

log = logging.getLogger(__name__)

START_ATTEMPTS = 3  # processes in a row that end before they are ready
BACK_OFF = 0.5  # seconds before the second of them; doubles

State = Literal["starting", "ready", "failed", "unloaded"]


class SupervisedModel:
    """A manager of one model: it starts a worker process on demand, restarts it after a crash, and ends it when idle.

    Every method is called from the event loop. ``record`` holds the facts about the model that outlive a process,
    ``restarts`` counts processes that ended unexpectedly. ``expected_bytes`` is the memory that the model may take.
    ``transcribed`` is called with the seconds of audio of each window that is done.
    """

    def __init__(
        self,
        load: Load,
        settings: EngineSettings,
        budget: MemoryBudget,
        launch: Launch,
        *,
        expected_bytes: int,
        observe: Observer,
        transcribed: Callable[[float], None],
    ) -> None:
        self.name = load.model
        self.requests = ModelRequests(load.model, observe, transcribed)
        self.restarts = 0
        keep_alive = settings.keep_alive_models.get(load.model, settings.keep_alive)
        self.record = ModelRecord(load, expected_bytes, keep_alive)
        self._settings = settings
        self._budget = budget
        self._launch = launch
        self._observe = observe
        self._wanted = asyncio.Event()
        self._run: ProcessRun | None = None
        self._failed_starts = 0
        self._again_after: float | None = None
        self._task = asyncio.create_task(self._supervise())

    @property
    def state(self) -> State:
        """The model's state: ready if a process has loaded it, unloaded if none is wanted, failed after an error."""
        if self._run is not None and self._run.ready:
            return "ready"
        if self.record.error is not None:
            return "failed"
        return "starting" if self._wanted.is_set() else "unloaded"

    @property
    def pull(self) -> Pull | None:
        """The progress of the model's download, None while there is none."""
        return self._run.pull if self._run else None

    def process(self) -> EngineProcess | None:
        """Return the state and memory of the model's worker process, None while there is none."""
        return self._run.status(self.restarts) if self._run else None

    def wake(self) -> None:
        """Ask for the model to be loaded, unless it is loaded already, and return at once."""
        self._wanted.set()

    def take(self, ticket: Ticket) -> None:
        """Accept a request for this model, and start to load the model if necessary; the request waits for that."""
        self.requests.add(ticket)
        self.wake()
        if self._run:
            self._run.submit()

    def release(self, ticket: Ticket) -> None:
        """Forget a request whose client has its answer or has left, and cancel it in the worker process."""
        self.requests.remove(ticket)
        if self._run and ticket.submitted:
            self._run.worker.send(Cancel(ticket.number))

    async def stop(self) -> None:
        """Fail every request with NotReady and end the worker process."""
        self.requests.fail_all(NotReady("The server is stopping."))
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    @property
    def last_used(self) -> float:
        """The time of the model's latest load, or latest arrival or end of a request, by ``monotonic``."""
        return self.requests.last_used

    def memory_bytes(self) -> int:
        """Return the memory of the worker process in bytes; while no model is loaded, the last or expected memory."""
        if self._run and self._run.ready:
            self.record.memory_bytes = rss_bytes(self._run.worker.pid)
        return self.record.memory_bytes

    def is_idle(self) -> bool:
        """Return True if the model is loaded and its process works on no request."""
        return self._run is not None and self._run.is_idle()

    def unload(self) -> None:
        """End the worker process to free its memory; the next request loads the model again."""
        if self._run:
            self._run.end("unloaded")

    async def _supervise(self) -> None:
        while True:
            await self._until_wanted()
            await asyncio.sleep(BACK_OFF * 2 ** (self._failed_starts - 1) if self._failed_starts else 0.0)
            await self._budget.reserve(self)
            try:
                self._after(await self._one_run())
            except OSError as error:  # no memory for a process, say
                self._give_up(EngineFailure(f"No process for model {self.name} could be started: {error}"))
            finally:
                await self._budget.release(self)

    async def _until_wanted(self) -> None:
        """Wait until a request asks for the model, or until a failed download is due to be tried again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._again_after):
                await self._wanted.wait()
        self._again_after = None
        self.wake()

    async def _one_run(self) -> ProcessEnd:
        """Start a worker process, give it requests until it has ended, and return how it ended."""
        worker = await WorkerProcess.start(self._launch, self.record.load)
        self._run = ProcessRun(worker, self.record, self.requests, self._budget, self._settings, self._observe)
        try:
            return await self._run.finished()
        finally:
            self._run = None

    def _after(self, end: ProcessEnd) -> None:
        """Decide after the end of a process whether to start another one, and fail or keep the requests accordingly."""
        if end.was_ready:
            self._failed_starts = 0
        if end.ended_by == "unloaded":
            log.info("Model %s is unloaded: %d MB are free again.", self.name, end.freed_bytes >> 20)
            self._wanted.clear()
        elif end.ended_by == "failed":
            log.error("Model %s cannot be served: %s", self.name, self.record.error)
            self._give_up(self.record.error or ModelUnavailable(f"The model {self.name} cannot be loaded."))
        else:
            self._after_crash(end)
        if end.was_pulling and not self._wanted.is_set():
            wait = self._launch.pull_again_seconds
            log.info("The pull of model %s is tried again in %.0f s.", self.name, wait)
            self._again_after = wait
        if self.requests.tickets:
            self.wake()

    def _after_crash(self, end: ProcessEnd) -> None:
        self.restarts += 1
        self._observe(Restart(self.name, end.restart_reason))
        log.error("The process of model %s %s.", self.name, end.how)
        record = self.record
        if any(stage.on_npu for stage in record.stages):  # the NPU may be at fault: it is not used again
            retired = f"the process {end.how} while it served"
            record.load = replace(record.load, npu_retired=retired, measured=None)
        if not end.was_ready:
            self._failed_starts += 1
            if self._failed_starts >= START_ATTEMPTS:
                self._give_up(EngineFailure(f"The process of model {self.name} {end.how} before it was ready."))
            return
        self.requests.interrupted(end.at_work, end.how)
        if record.keep_alive >= 0:
            self._wanted.clear()

    def _give_up(self, error: WhisperXError) -> None:
        """Fail every request with ``error``, and start no process until a request asks for the model again."""
        self.record.error = error
        self._failed_starts = 0
        self._wanted.clear()
        self.requests.fail_all(error)
