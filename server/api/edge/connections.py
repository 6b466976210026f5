"""uvicorn's connections with two bounds: their number, and the time in which the head of a request must arrive.

uvicorn bounds neither: a client that sends a byte of a head now and then keeps its connection for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from server.api.edge.limits import TOO_MANY_CONNECTIONS


class Connection(H11Protocol):
    """A connection that is closed if a head is not complete ``head_seconds`` after its first byte, or after connecting.

    Requests on a connection above ``max_connections`` are answered 503; above twice that number it is closed without an
    answer.
    """

    max_connections: ClassVar[int]
    head_seconds: ClassVar[float]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > 2 * self.max_connections:
            transport.abort()
            return
        if len(self.connections) > self.max_connections:
            self.app_state = {**self.app_state, TOO_MANY_CONNECTIONS: True}
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._between_requests():
            self._stop_waiting()
        elif self._head_timer is None:  # part of a head, or of a body that is no longer read
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._too_late)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_late(self) -> None:
        self._head_timer = None
        if self._between_requests() and not self.transport.is_closing():
            self.transport.abort()


def bounded_connection(max_connections: int, head_seconds: float) -> type[Connection]:
    """Return the class for uvicorn's ``http`` setting: ``Connection`` with these bounds."""
    return type("BoundedConnection", (Connection,), {"max_connections": max_connections, "head_seconds": head_seconds})
