"""The interface between the HTTP server and the computation: a job goes in, events come out.

Jobs and events are plain frozen data, so that the computation may run in another process.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from server.transcript import Event, Options, StageChoice, StageTime


@dataclass(frozen=True, slots=True)
class Job:
    """A recording to transcribe. ``path`` is the uploaded file as it was sent, still encoded.

    An ``interactive`` job goes before files, because somebody waits for each word.

        Job("1", Path("talk.mp3"), Options(language="en"))
    """

    id: str
    path: Path
    options: Options
    interactive: bool = False


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The description of a model that this server can run, for the list of models.

    ``created`` is the modification time of its files in Unix seconds; ``multilingual`` is None if it is not known.
    """

    id: str
    created: int
    owned_by: str
    loaded: bool
    demo: bool
    multilingual: bool | None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """The state of a worker process, which has one model in memory.

    ``rss_bytes`` is its resident memory now, ``restarts`` the number of the model's earlier processes that ended
    unexpectedly.
    """

    model: str
    pid: int
    state: Literal["starting", "ready"]
    rss_bytes: int
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Pull:
    """The progress of a model's download from the hub, in bytes; ``bytes`` includes those of earlier attempts."""

    model: str
    bytes: int
    total: int

    def __str__(self) -> str:
        return f"{self.bytes / 1e6:.0f} of {self.total / 1e6:.0f} MB"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The state of the engine now; every value is measured or observed.

    ``queued`` counts requests whose audio was not read yet, ``running`` those whose audio is being or has been read.
    ``waiting_seconds`` is the admitted audio that is not yet transcribed, as far as its length is known. ``speed`` is
    the measured rate in seconds of audio per second, None until something was measured. ``stages`` and ``warm_up`` are
    those of ``default_model``, which answers requests without a model name. ``pull`` is the download of the configured
    default model, None while there is none.
    """

    state: Literal["starting", "ready", "failed", "stopped"]
    default_model: str
    models: tuple[ModelCard, ...] = ()
    stages: tuple[StageChoice, ...] = ()
    warm_up: tuple[StageTime, ...] = ()
    queued: int = 0
    running: int = 0
    error: str | None = None
    notes: tuple[str, ...] = field(default=())
    processes: tuple[EngineProcess, ...] = ()
    waiting_seconds: float = 0.0
    speed: float | None = None
    pull: Pull | None = None


@dataclass(frozen=True, slots=True)
class StageRun:
    """A measurement for the metrics: the wall time of one run of a stage over a batch of windows."""

    model: str
    stage: str
    device: str
    windows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class QueueTime:
    """A measurement for the metrics: the wait of a request, from its admission until its audio was first read."""

    model: str
    seconds: float


FallbackReason = Literal["npu_retired", "log_prob", "compression_ratio", "repeats", "prompt_echo", "no_speech"]


@dataclass(frozen=True, slots=True)
class Fallback:
    """An observation for the metrics: a computation that was repeated because its result could not be used.

    For the encoder it is a batch that the CPU computed again because the NPU failed (``npu_retired``). For the decoder
    it is a window that is decoded again at the next temperature; ``reason`` is the check that its text failed.
    """

    model: str
    stage: str
    reason: FallbackReason


@dataclass(frozen=True, slots=True)
class Restart:
    """An observation for the metrics: a worker process ended unexpectedly.

    ``reason`` is crash, killed, hang, or load if the model was not loaded yet.
    """

    model: str
    reason: str


Observation = StageRun | QueueTime | Fallback | Restart
Observer = Callable[[Observation], None]


class Engine(Protocol):
    """An engine that transcribes jobs. All methods are called from one event loop."""

    def observe(self, observer: Observer) -> None:
        """Register ``observer``, which is then called with every measurement, from the event loop; it must be quick."""

    async def start(self) -> None:
        """Begin to load the default model and return at once. ``status()`` tells when it is ready."""

    async def stop(self) -> None:
        """Cancel all jobs and unload all models."""

    def transcribe(self, job: Job) -> AsyncGenerator[Event, None]:
        """Run one job and yield its events; closing the generator cancels the job within one batch of windows.

        The first event is ``Progress(0.0, None, "queue")``. Each window gives its segments, then a Progress with the
        seconds of audio done and the stage that runs. The last event is Finished.

        Raises Overloaded, NotReady, ModelNotFound, ModelUnavailable, InvalidInput, UnsupportedMedia, TimedOut,
        EngineFailure.
        """

    def stand_in(self) -> str | None:
        """Return the reason why the demo model replaces the default model now, None if it does not."""

    def status(self) -> EngineStatus:
        """Return the state of the engine now: models, devices, queue and processes."""
