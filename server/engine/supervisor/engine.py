"""The engine behind the HTTP server (server.engine.contract.Engine), with one worker process for each model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Literal

from server.checkpoints.catalog import Catalog
from server.checkpoints.installed import InstalledModel
from server.engine.contract import EngineStatus, Job, ModelCard, Observation, Observer
from server.engine.messages import Load
from server.engine.supervisor.admission import Admission
from server.engine.supervisor.memory_budget import SHARE, MemoryBudget
from server.engine.supervisor.model import SupervisedModel
from server.engine.supervisor.stand_in import StandIn
from server.engine.supervisor.ticket import Ticket
from server.engine.supervisor.worker_process import Launch
from server.errors import NotReady, TimedOut
from server.machine.memory import available_bytes
from server.machine.optional_packages import check_extra
from server.settings.load import Settings
from server.settings.stages import DEMO_MODEL
from server.transcript import Event, Finished

LIBRARIES_BYTES = 400 << 20  # taken by a process beside its model, until it has been measured
GROWTH = 1.5  # memory of a model over the size of its files, until it has been measured
LAUNCH = Launch()


class SupervisedEngine:
    """An engine that transcribes jobs (server.engine.contract.Engine), with one worker process for each model.

    ``stand_in`` is the reason why the demo model replaces the default one at first, None if it does not; see StandIn.
    Raises ConfigurationError when the settings ask for an NPU or for packages that are not there.

        engine = SupervisedEngine(load_settings())
        await engine.start()
        async for event in engine.transcribe(Job("1", Path("talk.mp3"), Options())):
            print(event)
        await engine.stop()
    """

    def __init__(self, settings: Settings, stand_in: str | None = None, launch: Launch = LAUNCH) -> None:
        self.settings = settings
        self.catalog = Catalog(settings.model)
        check_extra(settings.stages)
        if settings.npu.mode == "required":
            from server.pipeline.encoding.npu_device import require_npu  # brings what computes, and takes seconds

            require_npu(settings.npu)
        limit = settings.engine.memory_mb << 20 or int(SHARE * available_bytes())
        self._budget = MemoryBudget(limit)
        self._admission = Admission(settings.server.max_queue, settings.engine.max_queue_seconds)
        self._launch = launch
        self._models: dict[str, SupervisedModel] = {}
        self._stand_in = StandIn(self.catalog, self._model, launch.ask_again_seconds, stand_in)
        self._watch: asyncio.Task[None] | None = None
        self._numbers = count(1)
        self._observers: list[Observer] = []
        self._running = False

    def observe(self, observer: Observer) -> None:
        self._observers.append(observer)

    async def start(self) -> None:
        self._running = True
        self._model(self._stand_in.serving).wake()
        may_begin = self.settings.model.missing == "pull_or_demo"
        self._watch = asyncio.create_task(self._stand_in.watch(may_begin=may_begin))

    async def stop(self) -> None:
        self._running = False
        if self._watch:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        await asyncio.gather(*(model.stop() for model in self._models.values()))

    async def transcribe(self, job: Job) -> AsyncGenerator[Event, None]:
        if not self._running:
            raise NotReady("The server is stopping.")
        name = self._stand_in.model_for(job.options.model)
        stand_in = self._stand_in.why if name == DEMO_MODEL != job.options.model else None
        self._admission.check(self._tickets())
        ticket = Ticket(next(self._numbers), job)
        timer = self._deadline(ticket)
        model = self._model(name)
        model.take(ticket)
        self._admission.rate.busy(busy=True)
        try:
            while True:
                outcome = await ticket.outcomes.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                if isinstance(outcome, Finished):
                    yield Finished(replace(outcome.transcript, stand_in=stand_in))
                    return
                yield outcome
        finally:
            if timer:
                timer.cancel()
            model.release(ticket)
            self._admission.rate.busy(busy=bool(self._tickets()))

    def _deadline(self, ticket: Ticket) -> asyncio.TimerHandle | None:
        """Start and return a timer that fails the request after ``engine.timeout_seconds``; None if not limited."""
        limit = self.settings.engine.timeout_seconds
        if limit is None:
            return None
        error = TimedOut(f"The transcription was not ready within {limit:g} s.")
        return asyncio.get_running_loop().call_later(limit, ticket.fail, error)

    def _tickets(self) -> list[Ticket]:
        return [ticket for model in self._models.values() for ticket in model.requests.tickets.values()]

    def _model(self, name: str) -> SupervisedModel:
        if name not in self._models:
            self._models[name] = SupervisedModel(
                Load(name, self.settings.stages, self.settings.server.max_audio_seconds),
                self.settings.engine,
                self._budget,
                self._launch,
                expected_bytes=self._expected_bytes(name),
                observe=self._tell,
                transcribed=self._admission.rate.add,
            )
        return self._models[name]

    def _expected_bytes(self, name: str) -> int:
        sizes = [entry.bytes for entry in self.catalog.entries() if entry.id == name]
        return LIBRARIES_BYTES + int(GROWTH * sum(sizes))

    def _tell(self, observation: Observation) -> None:
        for observer in self._observers:
            observer(observation)

    def stand_in(self) -> str | None:
        return self._stand_in.why

    def status(self) -> EngineStatus:
        wanted, serving = self.catalog.default, self._stand_in.serving
        default = self._models.get(serving)
        record = default.record if default else None
        tickets = self._tickets()
        running = sum(ticket.running for ticket in tickets)
        processes = (model.process() for model in self._models.values())
        return EngineStatus(
            state=self._state(default),
            default_model=serving,
            models=tuple(self._card(entry) for entry in self.catalog.entries()),
            stages=record.stages if record else (),
            warm_up=record.warm_up if record else (),
            queued=len(tickets) - running,
            running=running,
            notes=((self._stand_in.why,) if self._stand_in.why else ()) + (record.notes if record else ()),
            error=str(record.error) if record and record.error else None,
            processes=tuple(process for process in processes if process),
            waiting_seconds=round(sum(ticket.left for ticket in tickets), 3),
            speed=self._admission.rate.speed,
            pull=self._models[wanted].pull if wanted in self._models else None,
        )

    def _state(self, default: SupervisedModel | None) -> Literal["starting", "ready", "failed", "stopped"]:
        """Return the state of the whole engine, which is that of the default model.

        A default model that was unloaded because it was idle counts as ready.
        """
        if not self._running:
            return "stopped" if default else "starting"
        state = default.state if default else "starting"
        return "ready" if state == "unloaded" else state

    def _card(self, entry: InstalledModel) -> ModelCard:
        default = entry.id == self._stand_in.serving
        return ModelCard(
            id=entry.id,
            created=entry.created,
            owned_by=entry.id.split("/")[0] if "/" in entry.id else "whisperx-npu",
            loaded=entry.id in self._models and self._models[entry.id].state == "ready",
            demo=entry.demo,
            multilingual=entry.multilingual,
            aliases=self.settings.model.aliases if default else (),
        )
