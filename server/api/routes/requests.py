"""GET /v1/requests/{id}: how far a request is."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from typing_extensions import TypedDict

from server.api import openapi
from server.api.errors import ErrorDetail
from server.api.in_flight import ENDED, RequestProgress, Requests, State

routes = APIRouter(tags=["status"])


class RequestState(TypedDict):
    """``stage`` is what the request waits for: upload, queue, decoder, diarize; null when it has ended."""

    id: str
    request_id: str
    state: State
    stage: str | None
    audio_seconds_done: float
    audio_seconds_total: float | None
    age_seconds: float
    error: ErrorDetail | None


def requests_of(request: Request) -> Requests:
    return cast("Requests", request.app.state.requests)


@routes.get(
    "/v1/requests/{request_id}",
    summary="How far is a request?",
    response_class=Response,
    responses=openapi.success(RequestState, "Now; as server-sent events, if you accept those, until it ends.")
    | openapi.NO_422
    | openapi.failures(404),
)
async def request_state(
    request: Request,
    request_id: str,
    requests: Annotated[Requests, Depends(requests_of)],
    accept: Annotated[str, Header()] = "",
) -> Response:
    """By the `X-Request-Id` that you sent or got, or the `job_id`; also for a while after the request has ended."""
    progress = requests.find(request_id, request.state.key)
    if progress is None:
        raise HTTPException(404, "No request of that id is known here.")
    if openapi.EVENT_STREAM in accept:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(progress), media_type=openapi.EVENT_STREAM, headers=headers)
    return JSONResponse(_state(progress))


async def _events(progress: RequestProgress) -> AsyncIterator[str]:
    while True:
        yield f"data: {json.dumps(_state(progress))}\n\n"
        if progress.state in ENDED:
            return
        await progress.changed()


def _state(progress: RequestProgress) -> RequestState:
    return {
        "id": progress.id,
        "request_id": progress.request_id,
        "state": progress.state,
        "stage": progress.stage,
        "audio_seconds_done": progress.done,
        "audio_seconds_total": progress.total,
        "age_seconds": round(time.monotonic() - progress.begun, 3),
        "error": progress.error,
    }
