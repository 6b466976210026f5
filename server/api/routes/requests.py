"""GET /v1/requests/{id}: the progress of a request."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from typing_extensions import TypedDict

from server.api import openapi
from server.api.dependencies import InFlightDep
from server.api.errors import ErrorDetail
from server.api.in_flight import ENDED, RequestProgress, RequestState
from server.api.output.sse import STREAM_HEADERS
from server.formats.rounding import seconds

routes = APIRouter(tags=["status"])


class RequestStatus(TypedDict):
    """The progress of one request; ``stage`` is upload, queue, decoder or diarize, and null when it has ended."""

    id: str
    request_id: str
    state: RequestState
    stage: str | None
    audio_seconds_done: float
    audio_seconds_total: float | None
    age_seconds: float
    error: ErrorDetail | None


@routes.get(
    "/v1/requests/{request_id}",
    summary="Progress of a request",
    response_class=Response,
    responses=openapi.success(
        RequestStatus, "The progress now, or with `Accept: text/event-stream` every change until the request ends."
    )
    | openapi.NO_422
    | openapi.failures(404),
)
async def request_state(
    request: Request,
    request_id: str,
    requests: InFlightDep,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Return the progress of a request, while it runs and for a while after.

    The id is the `X-Request-Id` that you sent or received, or the `job_id` of the answer.

        curl http://localhost:9000/v1/requests/talk-7
    """
    progress = requests.find(request_id, request.state.key)
    if progress is None:
        raise HTTPException(404, "No request of that id is known here.")
    if openapi.EVENT_STREAM in accept:
        return StreamingResponse(_events(progress), media_type=openapi.EVENT_STREAM, headers=STREAM_HEADERS)
    return JSONResponse(_status(progress))


async def _events(progress: RequestProgress) -> AsyncIterator[str]:
    while True:
        yield f"data: {json.dumps(_status(progress))}\n\n"
        if progress.state in ENDED:
            return
        await progress.changed()


def _status(progress: RequestProgress) -> RequestStatus:
    return {
        "id": progress.id,
        "request_id": progress.request_id,
        "state": progress.state,
        "stage": progress.stage,
        "audio_seconds_done": progress.done,
        "audio_seconds_total": progress.total,
        "age_seconds": seconds(time.monotonic() - progress.begun),
        "error": progress.error,
    }
