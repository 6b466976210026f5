"""One model: the requests for it, and the process that serves them, which may come and go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Literal

from server.engine.contract import EngineProcess, Observer, Pull, Restart, StageChoice
from server.engine.messages import (
    Cancel,
    Chosen,
    Diarizing,
    Done,
    Failed,
    FromWorker,
    Known,
    Load,
    Observed,
    Opened,
    Pulling,
    Ready,
    Said,
    WindowDone,
)
from server.engine.supervisor.child import Worker
from server.engine.supervisor.memory_budget import Room
from server.engine.supervisor.requests import Requests
from server.engine.supervisor.ticket import Ticket
from server.errors import EngineFailure, ModelUnavailable, NotReady, WhisperXError
from server.machine.memory import rss_bytes
from server.settings.load import EngineSettings
from server.transcript import StageTime

log = logging.getLogger(__name__)

START_ATTEMPTS = 3  # processes in a row that end before they are ready
BACK_OFF = 0.5  # seconds before the second of them; doubles
PULL_AGAIN = 60.0  # seconds after which a pull that failed is tried again
TICK = 0.25  # seconds between two looks at the process

State = Literal["starting", "ready", "failed", "unloaded"]


class Model:
    """Everything is called from the event loop. ``keep_alive`` as in Ollama: -1 for ever, 0 at once, n seconds."""

    def __init__(
        self,
        load: Load,
        settings: EngineSettings,
        room: Room,
        *,
        expected_bytes: int,
        observe: Observer,
        transcribed: Callable[[float], None],
    ) -> None:
        self.name = load.model
        self.requests = Requests(load.model, observe, transcribed)
        self.error: WhisperXError | None = None
        self.restarts = 0
        self.stages: tuple[StageChoice, ...] = ()
        self.warm_up: tuple[StageTime, ...] = ()
        self.notes: tuple[str, ...] = ()
        self._load = load
        self._settings = settings
        self._room = room
        self._bytes = expected_bytes
        self._observe = observe
        self._keep_alive = settings.keep_alive_models.get(load.model, settings.keep_alive)
        self._wanted = asyncio.Event()
        self._worker: Worker | None = None
        self._told_to_end = ""
        self._failed_starts = 0
        self._again_after: float | None = None
        self._task = asyncio.create_task(self._supervise())

    # For the engine

    @property
    def state(self) -> State:
        if self._worker is not None and self._worker.ready:
            return "ready"
        if self.error is not None:
            return "failed"
        return "starting" if self._wanted.is_set() else "unloaded"

    @property
    def pull(self) -> Pull | None:
        """How far it is on its way from the hub, None while it is not."""
        return self._worker.pull if self._worker else None

    def process(self) -> EngineProcess | None:
        if self._worker is None:
            return None
        pid = self._worker.process.pid
        state: Literal["starting", "ready"] = "ready" if self._worker.ready else "starting"
        return EngineProcess(self.name, pid, state, rss_bytes(pid), self.restarts)

    def wake(self) -> None:
        """Load the model unless it is loaded."""
        self._wanted.set()

    def take(self, ticket: Ticket) -> None:
        self.requests.add(ticket)
        self.wake()
        self._submit()

    def release(self, ticket: Ticket) -> None:
        """Its client has what it wanted, or is gone."""
        self.requests.remove(ticket)
        if self._worker and ticket.submitted:
            self._worker.send(Cancel(ticket.number))

    async def stop(self) -> None:
        self.requests.fail_all(NotReady("The server is stopping."))
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    # For the room

    @property
    def last_used(self) -> float:
        return self.requests.last_used

    def needs(self) -> int:
        """What it takes now; what it took last, or may take, while it is not loaded."""
        if self._worker and self._worker.ready:
            self._bytes = rss_bytes(self._worker.process.pid)
        return self._bytes

    def is_idle(self) -> bool:
        return self._worker is not None and self._worker.ready and not self.requests.submitted

    def unload(self) -> None:
        self._end("unloaded")

    # The process

    async def _supervise(self) -> None:
        while True:
            await self._until_wanted()
            await asyncio.sleep(BACK_OFF * 2 ** (self._failed_starts - 1) if self._failed_starts else 0.0)
            await self._room.enter(self)
            try:
                await self._live()
            except OSError as error:  # no memory for a process, say
                self._give_up(EngineFailure(f"No process for model {self.name} could be started: {error}"))
            finally:
                await self._room.leave(self)

    async def _until_wanted(self) -> None:
        """Somebody asks for the model, or it is time to try a pull again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._again_after):
                await self._wanted.wait()
        self._again_after = None
        self.wake()

    async def _live(self) -> None:
        """One process, from start to end."""
        self._told_to_end = ""
        self._worker = worker = await Worker.start(self._load)
        watchdog = asyncio.create_task(self._watch(worker))
        try:
            async for message in worker.messages():
                self._handle(message)
        finally:
            watchdog.cancel()
            worker.kill()
            freed = rss_bytes(worker.process.pid)
            status = await asyncio.shield(worker.reap())
            self._worker = None
        self._after(worker, status, freed)

    async def _watch(self, worker: Worker) -> None:
        while True:
            await asyncio.sleep(TICK)
            if why := worker.overdue(self._settings.hang_seconds, self._settings.window_seconds):
                log.error("The process of model %s hangs (%s) and is killed.", self.name, why)
                self._end("hang")
            elif self._is_expired():
                self._end("unloaded")
            self._submit()
            if self._room.contended and self.is_idle():
                await self._room.look_again()

    def _is_expired(self) -> bool:
        idle = monotonic() - self.last_used
        return 0 <= self._keep_alive <= idle and self.is_idle() and not self.requests.tickets

    def _end(self, why: str) -> None:
        if self._worker and not self._told_to_end:
            self._told_to_end = why
            self._worker.kill()

    def _submit(self, *, at_once: bool = False) -> None:
        """What waits goes to the process, unless it shall run empty because another model needs the room."""
        if self._worker and self._worker.ready and not self._told_to_end and (at_once or not self._room.contended):
            for ticket in self.requests.waiting:
                self._worker.send(ticket.submit())

    def _handle(self, message: FromWorker) -> None:
        match message:
            case Pulling(Pull()):
                self.error = None  # the hub answers again
            case Ready():
                self._ready(message)
            case Chosen(stages):
                self.stages = stages
            case Observed(what):
                self._observe(what)
            case Said(logger, level, text):
                logging.getLogger(logger).log(level, "%s", text)
            case Failed(None, error):
                self._told_to_end, self.error = "failed", error
            case Known() | Opened() | WindowDone() | Diarizing() | Done() | Failed():
                self.requests.handle(message)
            case _:
                pass

    def _ready(self, ready: Ready) -> None:
        assert self._worker  # noqa: S101  it has just spoken
        self._worker.ready = True
        self._failed_starts = 0
        self.error = None
        self.stages, self.warm_up, self.notes = ready.stages, ready.warm_up, ready.notes
        self._load = replace(self._load, measured=ready.measured)
        self.requests.last_used = monotonic()
        log.info("Model %s is loaded and takes %d MB.", self.name, self.needs() >> 20)
        self._submit(at_once=True)  # it was loaded for these

    # After its end

    def _after(self, worker: Worker, status: int, freed: int) -> None:
        if self._told_to_end == "unloaded":
            log.info("Model %s is unloaded: %d MB are free again.", self.name, freed >> 20)
            self._wanted.clear()
        elif self._told_to_end == "failed":
            log.error("Model %s cannot be served: %s", self.name, self.error)
            self._give_up(self.error or ModelUnavailable(f"The model {self.name} cannot be loaded."))
        else:
            self._after_crash(worker, status)
        if worker.pulling and not self._wanted.is_set():
            log.info("The pull of model %s is tried again in %.0f s.", self.name, PULL_AGAIN)
            self._again_after = PULL_AGAIN
        if self.requests.tickets:
            self.wake()

    def _after_crash(self, worker: Worker, status: int) -> None:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        how = "hung" if self._told_to_end else how
        reason = self._told_to_end or ("load" if not worker.ready else "killed" if status == -9 else "crash")
        self.restarts += 1
        self._observe(Restart(self.name, reason))
        log.error("The process of model %s %s.", self.name, how)
        if any(stage.on_npu for stage in self.stages):  # it may be at fault: never again
            self._load = replace(self._load, npu_retired=f"the process {how} while it served", measured=None)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= START_ATTEMPTS:
                self._give_up(EngineFailure(f"The process of model {self.name} {how} before it was ready."))
            return
        self.requests.interrupted(worker.at_work, how)
        if self._keep_alive >= 0:
            self._wanted.clear()

    def _give_up(self, error: WhisperXError) -> None:
        """Until somebody asks for the model again."""
        self.error = error
        self._failed_starts = 0
        self._wanted.clear()
        self.requests.fail_all(error)
