"""The door between requests and computation: a job goes in, events come out.

Jobs and events are plain frozen data, so the computation may live in this process (server.local_engine) or in a
supervised child without the requests noticing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from server.pipeline.types import Event, Finished, Options, Progress, SegmentReady, StageTime

__all__ = [
    "Engine",
    "EngineStatus",
    "Event",
    "Finished",
    "Job",
    "ModelCard",
    "Progress",
    "SegmentReady",
    "StageChoice",
]


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to transcribe. ``path`` holds the upload as it was sent, still encoded."""

    id: str
    path: Path
    options: Options


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
class StageChoice:
    """Which device serves a stage, and why: ``reason`` names the measurement or the fallback that decided it."""

    stage: str
    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """State of the computation as it is now; only measured or observed values."""

    state: Literal["starting", "ready", "failed", "stopped"]
    default_model: str
    models: tuple[ModelCard, ...] = ()
    stages: tuple[StageChoice, ...] = ()
    warm_up: tuple[StageTime, ...] = ()
    queued: int = 0
    running: int = 0
    error: str | None = None
    notes: tuple[str, ...] = field(default=())


class Engine(Protocol):
    """Runs jobs. All methods are called from one event loop."""

    async def start(self) -> None:
        """Begin loading the default model; returns at once. Readiness is seen in ``status()``."""

    async def stop(self) -> None:
        """Cancel what runs, release the models."""

    def transcribe(self, job: Job) -> AsyncGenerator[Event, None]:
        """Run one job; closing the generator cancels it within one batch of windows.

        Raises Overloaded, NotReady, ModelNotFound, ModelUnavailable, InvalidInput, UnsupportedMedia, EngineFailure.
        """

    def status(self) -> EngineStatus:
        """What the engine is doing now."""
