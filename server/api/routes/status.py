"""Is it alive, is it ready, what is it doing: /livez, /readyz, /v1/status."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Literal, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from typing_extensions import TypedDict

import server
from server.api import openapi
from server.api.output.client import TheEngine, TheSettings
from server.errors import NotReady
from server.formats.answer import StageEntry, stage_entry
from server.settings.load import Settings

routes = APIRouter(tags=["status"])


class Alive(TypedDict):
    """The process answers."""

    status: Literal["alive", "ready"]


class Model(TypedDict):
    """One model of this server."""

    id: str
    created: int
    owned_by: str
    loaded: bool
    demo: bool
    multilingual: bool | None
    aliases: list[str]


class Stage(TypedDict):
    """Which device serves a stage, and the measurement or the fallback that decided it."""

    stage: str
    device: str
    reason: str


class Queue(TypedDict):
    """Requests by state; ``limit`` is the most that may wait or run."""

    queued: int
    running: int
    limit: int


class Pull(TypedDict):
    """The default model on its way from the hub: bytes that are here, of so many."""

    model: str
    bytes: int
    total: int


class Configured(TypedDict):
    """The settings that explain the behaviour; no secrets."""

    compute_type: str
    vad: str
    align: str
    diarization: bool
    npu_mode: str
    offline: bool
    max_upload_mb: int
    max_audio_seconds: int


class Status(TypedDict):
    """What is measured or observed now."""

    version: str
    uptime_seconds: float
    state: Literal["starting", "ready", "failed", "stopped"]
    error: str | None
    pull: Pull | None
    default_model: str
    models: list[Model]
    stages: list[Stage]
    warm_up: list[StageEntry]
    queue: Queue
    notes: list[str]
    settings: Configured


@routes.get(
    "/livez",
    summary="Is the process alive?",
    response_class=JSONResponse,
    responses=openapi.success(Alive, "It is."),
)
async def livez() -> JSONResponse:
    """Answers at once, whatever the engine does."""
    return JSONResponse({"status": "alive"})


@routes.get(
    "/readyz",
    summary="Can it transcribe?",
    response_class=JSONResponse,
    responses=openapi.success(Alive, "It can.") | openapi.failures(503),
)
async def readyz(engine: TheEngine) -> JSONResponse:
    """503 with the reason while the default model is pulled or loaded, or cannot be."""
    status = engine.status()
    if status.state != "ready":
        pulled = f"{status.pull.model} is being pulled: {status.pull}." if status.pull else None
        why = status.error or pulled
        raise NotReady(f"The engine is not ready, its state is {status.state}{f': {why}' if why else '.'}")
    return JSONResponse({"status": "ready"})


@routes.get(
    "/v1/status",
    summary="What is it doing?",
    response_class=JSONResponse,
    responses=openapi.success(Status, "Now."),
)
async def status(request: Request, engine: TheEngine, settings: TheSettings) -> JSONResponse:
    """Version, models, the device of every stage and why, the queue, and the settings that matter."""
    now = engine.status()
    body: Status = {
        "version": server.__version__,
        "uptime_seconds": round(time.monotonic() - cast("float", request.app.state.started), 3),
        "state": now.state,
        "error": now.error,
        "pull": cast("Pull", asdict(now.pull)) if now.pull else None,
        "default_model": now.default_model,
        "models": [cast("Model", {**asdict(card), "aliases": list(card.aliases)}) for card in now.models],
        "stages": [cast("Stage", asdict(choice)) for choice in now.stages],
        "warm_up": [stage_entry(stage) for stage in now.warm_up],
        "queue": {"queued": now.queued, "running": now.running, "limit": settings.server.max_queue},
        "notes": list(now.notes),
        "settings": _configured(settings),
    }
    return JSONResponse(body)


def _configured(settings: Settings) -> Configured:
    return {
        "compute_type": settings.model.compute_type,
        "vad": settings.vad.method,
        "align": settings.align.method,
        "diarization": settings.diarize.model is not None,
        "npu_mode": settings.npu.mode,
        "offline": settings.model.offline,
        "max_upload_mb": settings.server.max_upload_mb,
        "max_audio_seconds": settings.server.max_audio_seconds,
    }
