"""Middleware (pure ASGI) that warns on every answer while the demo model serves in the place of the default one."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.output.headers import WARNING, header_text
from server.engine.contract import Engine


class StandInWarning:
    """Middleware that adds the reason to the header X-WhisperX-NPU-Warning, refusals and pages included."""

    def __init__(self, app: ASGIApp, engine: Engine) -> None:
        self.app = app
        self.engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_warning(message: Message) -> None:
            if message["type"] == "http.response.start" and (why := self.engine.stand_in()):
                headers = MutableHeaders(scope=message)
                headers[WARNING] = " ".join(filter(None, (headers.get(WARNING), header_text(why))))
            await send(message)

        await self.app(scope, receive, send_with_warning)
