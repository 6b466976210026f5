"""The routes for the server's state: /livez for liveness, /readyz for readiness, /v1/status for measured values."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Literal, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from typing_extensions import TypedDict

import server
from server.api import openapi
from server.api.dependencies import EngineDep, SettingsDep
from server.errors import NotReady
from server.formats.answer import StageEntry, stage_entry
from server.formats.rounding import seconds
from server.settings.load import Settings

routes = APIRouter(tags=["status"])


class ProbeStatus(TypedDict):
    """The JSON answer of /livez and /readyz."""

    status: Literal["alive", "ready"]


class ModelStatus(TypedDict):
    """A model of this server, in the answer of /v1/status."""

    id: str
    created: int
    owned_by: str
    loaded: bool
    demo: bool
    multilingual: bool | None
    aliases: list[str]


class StageStatus(TypedDict):
    """The device that runs one stage, and the reason for it: a measurement, or a fallback to another device."""

    stage: str
    device: str
    reason: str


class QueueStatus(TypedDict):
    """The number of transcriptions that wait and that run; ``limit`` bounds their sum."""

    queued: int
    running: int
    limit: int


class PullStatus(TypedDict):
    """The download of the default model from the hub: ``bytes`` of ``total`` are here."""

    model: str
    bytes: int
    total: int


class SettingsStatus(TypedDict):
    """The settings that explain the behaviour, without secrets."""

    compute_type: str
    vad: str
    align: str
    diarization: bool
    npu_mode: str
    offline: bool
    max_upload_mb: int
    max_audio_seconds: int


class ServerStatus(TypedDict):
    """The JSON answer of /v1/status: settings, and values that were measured or observed."""

    version: str
    uptime_seconds: float
    state: Literal["starting", "ready", "failed", "stopped"]
    error: str | None
    pull: PullStatus | None
    default_model: str
    models: list[ModelStatus]
    stages: list[StageStatus]
    warm_up: list[StageEntry]
    queue: QueueStatus
    notes: list[str]
    settings: SettingsStatus


@routes.get(
    "/livez",
    summary="Liveness",
    response_class=JSONResponse,
    responses=openapi.success(ProbeStatus, "The process runs."),
)
async def livez() -> JSONResponse:
    """Answer 200 at once, whatever the engine does."""
    return JSONResponse({"status": "alive"})


@routes.get(
    "/readyz",
    summary="Readiness",
    response_class=JSONResponse,
    responses=openapi.success(ProbeStatus, "The default model is loaded.") | openapi.failures(503),
)
async def readyz(engine: EngineDep) -> JSONResponse:
    """Answer 200 when the default model is loaded, and 503 with the reason until then or if it cannot be loaded."""
    status = engine.status()
    if status.state != "ready":
        pulled = f"{status.pull.model} is being pulled: {status.pull}." if status.pull else None
        why = status.error or pulled
        raise NotReady(f"The engine is not ready, its state is {status.state}{f': {why}' if why else '.'}")
    return JSONResponse({"status": "ready"})


@routes.get(
    "/v1/status",
    summary="State of the server",
    response_class=JSONResponse,
    responses=openapi.success(ServerStatus, "The state now."),
)
async def status(request: Request, engine: EngineDep, settings: SettingsDep) -> JSONResponse:
    """Return version, models, the device of every stage with its reason, the queue, and the settings that matter."""
    now = engine.status()
    body: ServerStatus = {
        "version": server.__version__,
        "uptime_seconds": seconds(time.monotonic() - cast("float", request.app.state.started)),
        "state": now.state,
        "error": now.error,
        "pull": cast("PullStatus", asdict(now.pull)) if now.pull else None,
        "default_model": now.default_model,
        "models": [cast("ModelStatus", {**asdict(card), "aliases": list(card.aliases)}) for card in now.models],
        "stages": [cast("StageStatus", asdict(choice)) for choice in now.stages],
        "warm_up": [stage_entry(stage) for stage in now.warm_up],
        "queue": {"queued": now.queued, "running": now.running, "limit": settings.server.max_queue},
        "notes": list(now.notes),
        "settings": _settings_status(settings),
    }
    return JSONResponse(body)


def _settings_status(settings: Settings) -> SettingsStatus:
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
