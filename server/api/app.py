"""The HTTP application: routes, middleware and error answers around one engine."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

import server
from server.api import openai_audio, openai_models, status, transcribe
from server.api.errors import on_domain_error, on_http_error, on_validation_error
from server.api.middleware import BodyLimit, RequestLog
from server.engine import Engine
from server.errors import WhisperXError
from server.settings import Settings

DESCRIPTION = """Speech to text. `POST /transcribe` answers with everything that is known about the transcript; the
routes under `/v1` speak OpenAI's wire format, so that its clients work unchanged:

    curl http://localhost:9000/v1/audio/transcriptions -F model=whisper-1 -F file=@speech.wav
"""


def create_app(settings: Settings, engine: Engine) -> FastAPI:
    """Put the application together; it starts and stops the engine with itself."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await engine.start()
        try:
            yield
        finally:
            await engine.stop()

    app = FastAPIOffline(
        redoc_url=None,
        static_url="/docs/assets",
        title="whisperx-npu",
        version=server.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
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
    app.state.started = time.monotonic()
    for group in (transcribe, openai_audio, openai_models, status):
        app.include_router(group.routes)
    app.add_middleware(BodyLimit, max_bytes=settings.server.max_upload_mb * 1024 * 1024)
    app.add_middleware(RequestLog)
    return app
