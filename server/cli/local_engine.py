"""The engine in this process: one worker thread, first come, first served."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from time import perf_counter
from typing import Literal

from server.checkpoints.catalog import Catalog, Entry
from server.engine.contract import EngineStatus, Event, Finished, Job, ModelCard, Observer, StageChoice
from server.errors import Cancelled, EngineFailure, NotReady, Overloaded, WhisperXError
from server.machine.optional_packages import check_extra
from server.pipeline import alone
from server.pipeline.encoding.npu import require_npu
from server.pipeline.loaded_model import LoadedModel
from server.settings.load import Settings
from server.settings.stages import DEMO_MODEL

log = logging.getLogger(__name__)

FIRST_GUESS = 5.0  # seconds a job takes, until one has been measured

Outcome = Event | BaseException


class LocalEngine:
    """Implements server.engine.Engine."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.catalog = Catalog(settings.model)
        check_extra(settings.stages)
        require_npu(settings.npu)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._loaded: dict[str, LoadedModel] = {}
        self._state: Literal["starting", "ready", "failed", "stopped"] = "starting"
        self._error: WhisperXError | None = None
        self._ready: asyncio.Future[None] | None = None
        self._stopping = threading.Event()
        self._jobs = 0
        self._job_seconds = FIRST_GUESS

    def observe(self, observer: Observer) -> None:
        """Measures nothing."""

    async def start(self) -> None:
        self._ready = asyncio.get_running_loop().run_in_executor(self._worker, self._load_default)

    async def stop(self) -> None:
        self._stopping.set()
        self._state = "stopped"
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)
        for parts in self._loaded.values():
            parts.close()
        self._loaded.clear()

    def _load_default(self) -> None:
        try:
            self._parts(self.catalog.default)
            self._state = "ready"
        except WhisperXError as error:
            self._state, self._error = "failed", error
            log.error("The default model cannot be served: %s", error)  # noqa: TRY400  no trace: the cause is named

    def _parts(self, name: str) -> LoadedModel:
        """Called from the worker thread only."""
        if name not in self._loaded:
            began = perf_counter()
            for other in [held for held in self._loaded if held != self.catalog.default]:
                self._loaded.pop(other).close()  # room for one model beside the default
            self._loaded[name] = LoadedModel(
                name, self.catalog.resolve(name), self.settings.stages, demo=name == DEMO_MODEL
            )
            log.info("Model %s loaded in %.1f s.", name, perf_counter() - began)
        return self._loaded[name]

    async def transcribe(self, job: Job) -> AsyncGenerator[Event, None]:
        if self._stopping.is_set() or self._ready is None:
            raise NotReady("The server is stopping.")
        name = self.catalog.resolve_request(job.options.model)
        if self._jobs >= self.settings.server.max_queue:
            wait = self._jobs * self._job_seconds
            raise Overloaded(f"{self._jobs} requests are waiting already.", retry_after=max(1.0, wait))
        self._jobs += 1
        try:
            async with aclosing(self._run(job, name)) as events:
                async for event in events:
                    yield event
        finally:
            self._jobs -= 1

    async def _run(self, job: Job, name: str) -> AsyncGenerator[Event, None]:
        loop = asyncio.get_running_loop()
        outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        gone = threading.Event()

        def post(outcome: Outcome) -> None:
            loop.call_soon_threadsafe(outcomes.put_nowait, outcome)

        work = self._worker.submit(self._work, job, name, gone, post)
        try:
            while True:
                outcome = await outcomes.get()
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
                if isinstance(outcome, Finished):
                    return
        finally:
            gone.set()
            work.cancel()

    def _work(self, job: Job, name: str, gone: threading.Event, post: Callable[[Outcome], None]) -> None:
        """Runs in the worker thread; posts exactly one last outcome, unless nobody waits for it."""
        began = perf_counter()
        if gone.is_set():
            return
        try:
            longest = self.settings.server.max_audio_seconds
            for event in alone.transcribe(self._parts(name), job.path, job.options, max_seconds=longest):
                if self._stopping.is_set():
                    raise NotReady("The server is stopping.")
                if gone.is_set():
                    raise Cancelled("The client left.")
                post(event)
            self._job_seconds += 0.2 * (perf_counter() - began - self._job_seconds)
        except WhisperXError as error:
            post(error)
        except Exception as error:  # the outermost edge of the computation
            log.exception("Job %s failed.", job.id)
            post(EngineFailure(f"The transcription failed: {type(error).__name__}."))

    def status(self) -> EngineStatus:
        return EngineStatus(
            state=self._state,
            default_model=self.catalog.default,
            models=tuple(self._card(entry) for entry in self.catalog.entries()),
            stages=self._choices(),
            queued=max(0, self._jobs - 1),
            running=min(1, self._jobs),
            error=str(self._error) if self._error else None,
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        parts = self._loaded.get(self.catalog.default)
        return parts.npu.notes() if parts else ()

    def _card(self, entry: Entry) -> ModelCard:
        default = entry.id == self.catalog.default
        return ModelCard(
            id=entry.id,
            created=entry.created,
            owned_by=entry.id.split("/")[0] if "/" in entry.id else "whisperx-npu",
            loaded=entry.id in self._loaded,
            demo=entry.demo,
            multilingual=entry.multilingual,
            aliases=self.settings.model.aliases if default else (),
        )

    def _choices(self) -> tuple[StageChoice, ...]:
        parts = self._loaded.get(self.catalog.default)
        if parts is None:
            return ()
        return parts.stage_choices()
