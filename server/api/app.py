"""The HTTP application: routes, middleware and error handlers around one engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

import server
from server.api.edge.auth import Authentication, KeyLimit, Keys
from server.api.edge.limits import Availability, BodyLimit, Shutdown, UploadSpeed
from server.api.edge.request_log import RequestLog
from server.api.edge.stand_in_warning import StandInWarning
from server.api.edge.tracing import telemetry
from server.api.errors import on_domain_error, on_http_error, on_validation_error
from server.api.in_flight import InFlightRequests
from server.api.input.upload_folder import UploadFolder, remove_abandoned
from server.api.prometheus import Metrics
from server.api.routes import metrics, openai_audio, openai_models, requests, status, transcribe
from server.engine.contract import Engine
from server.errors import WhisperXError
from server.settings.load import Settings

EXPOSED_HEADERS = (
    "X-Request-Id",
    "X-Model",
    "X-WhisperX-NPU-Notice",
    "X-WhisperX-NPU-Warning",
    "Server-Timing",
    "Retry-After",
)
DESCRIPTION = """Speech to text. `POST /transcribe` answers with everything that is known about the transcript; the
routes under `/v1` speak OpenAI's wire format, so that its clients work unchanged:

    curl http://localhost:9000/v1/audio/transcriptions -F model=whisper-1 -F file=@speech.wav
"""


def create_app(settings: Settings, engine: Engine) -> FastAPI:
    """Return the ASGI application. Its lifespan starts and stops the engine.

    Raises ConfigurationError if the file of API keys cannot be read, or tracing is enabled but cannot be sent anywhere.
    """

    uploads = UploadFolder()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(remove_abandoned)
        await engine.start()
        try:
            yield
        finally:
            await engine.stop()
            uploads.close()

    app = FastAPIOffline(
        redoc_url=None,
        static_url="/docs/assets",
        title="whisperx-npu",
        version=server.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        telemetry=telemetry(settings.tracing),
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        exception_handlers={
            WhisperXError: on_domain_error,
            HTTPException: on_http_error,
            RequestValidationError: on_validation_error,
        },
    )
    app.state.engine = engine
    app.state.settings = settings
    app.state.uploads = uploads
    app.state.started = time.monotonic()
    app.state.requests = InFlightRequests()
    app.state.shutdown = Shutdown()
    app.state.metrics = Metrics(engine.status)
    engine.observe(app.state.metrics.observe)
    for group in (transcribe, openai_audio, openai_models, requests, status, metrics):
        app.include_router(group.routes)
    _add_edge(app, settings, engine)
    return app


def _add_edge(app: FastAPI, settings: Settings, engine: Engine) -> None:
    """Add the middleware that the settings ask for. A request passes the one that was added last first."""
    server, auth = settings.server, settings.auth
    app.add_middleware(BodyLimit, max_bytes=server.max_upload_mb * 1024 * 1024)
    app.add_middleware(UploadSpeed, seconds=server.read_timeout_seconds, rate=server.min_upload_rate)
    if auth.keys_file is not None:
        if auth.max_concurrent:
            app.add_middleware(KeyLimit, most=auth.max_concurrent)
        app.add_middleware(Authentication, keys=Keys.read(auth.keys_file), open_paths=auth.open_paths)
    app.add_middleware(Availability, shutdown=app.state.shutdown)
    if server.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=server.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(RequestLog, metrics=app.state.metrics)
    app.add_middleware(StandInWarning, engine=engine)
