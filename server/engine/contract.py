"""The door between requests and computation: a job goes in, events come out.

Jobs and events are plain frozen data, so the computation may live in this process (the command line) or in a
supervised child without the requests noticing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from server.transcript import Event, Finished, Options, Progress, SegmentReady, StageChoice, StageTime

__all__ = [
    "Engine",
    "EngineProcess",
    "EngineStatus",
    "Event",
    "Fallback",
    "FallbackReason",
    "Finished",
    "Job",
    "ModelCard",
    "Observation",
    "Observer",
    "Progress",
    "Pull",
    "QueueTime",
    "Restart",
    "SegmentReady",
    "StageChoice",
    "StageRun",
]


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to transcribe. ``path`` holds the upload as it was sent, still encoded.

    ``interactive``: somebody waits for each word, so it goes before files. ``timeout``: seconds from now, waiting
    included, after which nobody wants the answer.
    """

    id: str
    path: Path
    options: Options
    interactive: bool = False
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model that this server can run. ``created`` is the modification time of its files, Unix seconds."""

    id: str
    created: int
    owned_by: str
    loaded: bool
    demo: bool
    multilingual: bool | None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """A process that holds one model. ``rss_bytes`` is its resident memory now, ``restarts`` counts what went wrong."""

    model: str
    pid: int
    state: Literal["starting", "ready"]
    rss_bytes: int
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Pull:
    """A model on its way from the hub: bytes that are here, those of an earlier attempt included, of ``total``."""

    model: str
    bytes: int
    total: int

    def __str__(self) -> str:
        return f"{self.bytes / 1e6:.0f} of {self.total / 1e6:.0f} MB"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """State of the computation as it is now; only measured or observed values.

    ``queued`` and ``running`` count requests that wait and requests whose audio is being read; ``waiting_seconds`` is
    the audio admitted and not yet transcribed, as far as its length is known; ``speed`` is the measured rate, in
    seconds of audio per second, None until something was measured. ``pull`` is the default model on its way here.
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
    """One run of one stage over a batch of windows, of one request or of several."""

    model: str
    stage: str
    device: str
    windows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class QueueTime:
    """How long a request waited from its admission until its audio was first read."""

    model: str
    seconds: float


FallbackReason = Literal["npu_retired", "log_prob", "compression_ratio", "repeats"]


@dataclass(frozen=True, slots=True)
class Fallback:
    """A window that was computed again, or otherwise than planned.

    ``reason`` is ``npu_retired`` for the encoder (the CPU computed the batch once more), and for the decoder the
    threshold that a window failed before it was decoded at the next temperature.
    """

    model: str
    stage: str
    reason: FallbackReason


@dataclass(frozen=True, slots=True)
class Restart:
    """An engine process that ended without being told to; ``reason`` is crash, killed, hang or load."""

    model: str
    reason: str


Observation = StageRun | QueueTime | Fallback | Restart
Observer = Callable[[Observation], None]


class Engine(Protocol):
    """Runs jobs. All methods are called from one event loop."""

    def observe(self, observer: Observer) -> None:
        """Call ``observer`` from the event loop with everything that is measured from now on; it must be quick."""

    async def start(self) -> None:
        """Begin loading the default model; returns at once. Readiness is seen in ``status()``."""

    async def stop(self) -> None:
        """Cancel what runs, release the models."""

    def transcribe(self, job: Job) -> AsyncGenerator[Event, None]:
        """Run one job; closing the generator cancels it within one batch of windows.

        The first event is ``Progress(0.0, None, "queue")``; Progress follows for every window, with the audio seconds
        done and the stage that runs. Raises Overloaded, NotReady, ModelNotFound, ModelUnavailable, InvalidInput,
        UnsupportedMedia, TimedOut, EngineFailure.
        """

    def status(self) -> EngineStatus:
        """What the engine is doing now."""
