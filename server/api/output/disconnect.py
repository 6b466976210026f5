"""Cancel the computation of a request when its client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request

from server.errors import Cancelled

Result = TypeVar("Result")


async def unless_disconnected(request: Request, awaitable: Awaitable[Result]) -> Result:
    """Await and return the result, but cancel the awaitable and raise Cancelled when the client disconnects.

    The body of the request must have been read before, because this reads the messages that come after it.
    """
    work = asyncio.ensure_future(awaitable)
    disconnect = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({work, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise Cancelled("The client left before the answer was ready.")
        return work.result()
    finally:
        work.cancel()
        disconnect.cancel()
        await asyncio.gather(work, disconnect, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
