"""Running one job for one client: who leaves stops the computation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request

from server.engine.contract import Engine
from server.errors import Cancelled, EngineFailure
from server.settings.load import Settings
from server.transcript import Event, Finished, Transcript

Result = TypeVar("Result")


def engine_of(request: Request) -> Engine:
    return cast("Engine", request.app.state.engine)


def settings_of(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


def job_id_of(request: Request) -> str:
    """Made here, so that no two jobs share it whatever ids their clients choose."""
    return cast("str", request.state.job_id)


TheEngine = Annotated[Engine, Depends(engine_of)]
TheSettings = Annotated[Settings, Depends(settings_of)]
JobId = Annotated[str, Depends(job_id_of)]


async def unless_left(request: Request, awaitable: Awaitable[Result]) -> Result:
    """Await, but cancel it and raise Cancelled when the client leaves. The body must have been read."""
    work = asyncio.ensure_future(awaitable)
    left = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise Cancelled("The client left before the answer was ready.")
        return work.result()
    finally:
        work.cancel()
        left.cancel()
        await asyncio.gather(work, left, return_exceptions=True)


async def last(events: AsyncGenerator[Event, None]) -> Transcript:
    """The transcript of a job. Raises whatever the engine raises."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Finished):
                return event.transcript
    raise EngineFailure("The engine ended without an answer.")


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
