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
    """A model that this server can run. ``created`` is the modification time of its files, Unix seconds."""

    id: str
    created: int
    owned_by: str
    loaded: bool
    demo: bool
    multilingual: bool | None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """A process that holds one model.

    ``rss_bytes`` is its resident memory now, ``restarts`` the number of earlier processes that ended unexpectedly.
    """

    model: str
    pid: int
    state: Literal["starting", "ready"]
    rss_bytes: int
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Pull:
    """The download of a model: ``bytes`` of ``total`` are here, those of earlier attempts included."""

    model: str
    bytes: int
    total: int

    def __str__(self) -> str:
        return f"{self.bytes / 1e6:.0f} of {self.total / 1e6:.0f} MB"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The state of the engine now; every value is measured or observed.

    ``queued`` and ``running`` count requests that wait and requests whose audio is being read. ``waiting_seconds`` is
    the admitted audio that is not yet transcribed, as far as its length is known. ``speed`` is the measured rate in
    seconds of audio per second, None until something was measured. ``pull`` is the download of the default model.
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
    """A run of one stage over a batch of windows, which belong to one request or to several."""

    model: str
    stage: str
    device: str
    windows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class QueueTime:
    """The wait of a request, from its admission until its audio was first read."""

    model: str
    seconds: float


FallbackReason = Literal["npu_retired", "log_prob", "compression_ratio", "repeats"]


@dataclass(frozen=True, slots=True)
class Fallback:
    """A window that was computed again, or on another device.

    ``reason`` is ``npu_retired`` for the encoder: the CPU computed the batch once more. For the decoder it is the
    threshold that a window failed before it was decoded at the next temperature.
    """

    model: str
    stage: str
    reason: FallbackReason


@dataclass(frozen=True, slots=True)
class Restart:
    """A model's process that ended unexpectedly; ``reason`` is crash, killed, hang or load."""

    model: str
    reason: str


Observation = StageRun | QueueTime | Fallback | Restart
Observer = Callable[[Observation], None]


class Engine(Protocol):
    """Runs jobs. All methods are called from one event loop."""

    def observe(self, observer: Observer) -> None:
        """Call ``observer`` with every later measurement. The call is made from the event loop and must be quick."""

    async def start(self) -> None:
        """Begin to load the default model and return at once. ``status()`` says when it is ready."""

    async def stop(self) -> None:
        """Cancel all jobs and unload the models."""

    def transcribe(self, job: Job) -> AsyncGenerator[Event, None]:
        """Run one job and yield its events; closing the generator cancels the job within one batch of windows.

        The first event is ``Progress(0.0, None, "queue")``. Each window gives its segments, then a Progress with the
        seconds of audio done and the stage that runs. The last event is Finished.

        Raises Overloaded, NotReady, ModelNotFound, ModelUnavailable, InvalidInput, UnsupportedMedia, TimedOut,
        EngineFailure.
        """

    def stand_in(self) -> str | None:
        """Return why the demo model serves in the place of the default one now, None where it does not."""

    def status(self) -> EngineStatus:
        """Return the state of the engine now."""
