"""server.engine.contract.Engine over one process per model; this process loads none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import count
from typing import Literal

from server.checkpoints.catalog import Catalog, InstalledModel
from server.engine.contract import EngineStatus, Event, Finished, Job, ModelCard, Observation, Observer
from server.engine.messages import Load
from server.engine.supervisor.admission import Admission
from server.engine.supervisor.memory_budget import SHARE, Room
from server.engine.supervisor.model import Model
from server.engine.supervisor.ticket import Ticket
from server.errors import NotReady, TimedOut
from server.machine.memory import available_bytes
from server.machine.optional_packages import check_extra
from server.settings.load import Settings

LIBRARIES_BYTES = 400 << 20  # what a process takes beside its model, until it has been measured
GROWTH = 1.5  # the same for a model's memory over its file


class SupervisedEngine:
    """Implements server.engine.Engine. ``notes`` are what every status shall say of this run."""

    def __init__(self, settings: Settings, notes: tuple[str, ...] = ()) -> None:
        self.settings = settings
        self.notes = notes
        self.catalog = Catalog(settings.model)
        check_extra(settings.stages)
        if settings.npu.mode == "required":
            from server.pipeline.encoding.npu_device import require_npu  # brings what computes, and takes seconds

            require_npu(settings.npu)
        limit = settings.engine.memory_mb << 20 or int(SHARE * available_bytes())
        self._room = Room(limit)
        self._admission = Admission(settings.server.max_queue, settings.engine.max_queue_seconds)
        self._models: dict[str, Model] = {}
        self._numbers = count(1)
        self._observers: list[Observer] = []
        self._open = False

    def observe(self, observer: Observer) -> None:
        self._observers.append(observer)

    async def start(self) -> None:
        self._open = True
        self._model(self.catalog.default).wake()

    async def stop(self) -> None:
        self._open = False
        await asyncio.gather(*(model.stop() for model in self._models.values()))

    async def transcribe(self, job: Job) -> AsyncGenerator[Event, None]:
        if not self._open:
            raise NotReady("The server is stopping.")
        name = self.catalog.resolve_request(job.options.model)
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
                yield outcome
                if isinstance(outcome, Finished):
                    return
        finally:
            if timer:
                timer.cancel()
            model.release(ticket)
            self._admission.rate.busy(busy=bool(self._tickets()))

    def _deadline(self, ticket: Ticket) -> asyncio.TimerHandle | None:
        limits = [limit for limit in (ticket.job.timeout, self.settings.engine.timeout_seconds) if limit is not None]
        if not limits:
            return None
        error = TimedOut(f"The transcription was not ready within {min(limits):g} s.")
        return asyncio.get_running_loop().call_later(min(limits), ticket.fail, error)

    def _tickets(self) -> list[Ticket]:
        return [ticket for model in self._models.values() for ticket in model.requests.tickets.values()]

    def _model(self, name: str) -> Model:
        if name not in self._models:
            self._models[name] = Model(
                Load(name, self.settings.stages, self.settings.server.max_audio_seconds),
                self.settings.engine,
                self._room,
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

    def status(self) -> EngineStatus:
        default = self._models.get(self.catalog.default)
        tickets = self._tickets()
        running = sum(ticket.running for ticket in tickets)
        processes = (model.process() for model in self._models.values())
        return EngineStatus(
            state=self._state(default),
            default_model=self.catalog.default,
            models=tuple(self._card(entry) for entry in self.catalog.entries()),
            stages=default.stages if default else (),
            warm_up=default.warm_up if default else (),
            queued=len(tickets) - running,
            running=running,
            notes=self.notes + (default.notes if default else ()),
            error=str(default.error) if default and default.error else None,
            processes=tuple(process for process in processes if process),
            waiting_seconds=round(sum(ticket.left for ticket in tickets), 3),
            speed=self._admission.rate.speed,
            pull=default.pull if default else None,
        )

    def _state(self, default: Model | None) -> Literal["starting", "ready", "failed", "stopped"]:
        """A model that was unloaded for want of requests is as good as ready."""
        if not self._open:
            return "stopped" if default else "starting"
        state = default.state if default else "starting"
        return "ready" if state == "unloaded" else state

    def _card(self, entry: InstalledModel) -> ModelCard:
        default = entry.id == self.catalog.default
        return ModelCard(
            id=entry.id,
            created=entry.created,
            owned_by=entry.id.split("/")[0] if "/" in entry.id else "whisperx-npu",
            loaded=entry.id in self._models and self._models[entry.id].state == "ready",
            demo=entry.demo,
            multilingual=entry.multilingual,
            aliases=self.settings.model.aliases if default else (),
        )
