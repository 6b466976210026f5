"""Middleware (pure ASGI) around every request: ids, times, a log line, counts, and the answer to uncaught errors."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.errors import error_response, internal_error
from server.api.prometheus import Metrics
from server.errors import NotReady

ACCESS_LOG = logging.getLogger("server.access")
PROBES = ("/livez", "/readyz")  # requested every few seconds for as long as the server runs
LOG = logging.getLogger(__name__)
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestLog:
    """Middleware that gives each request its ids, logs and counts it, and answers 500 to an uncaught exception.

    ``scope["state"]`` gets ``job_id``, a unique id made here; ``request_id``, the id in the client's ``X-Request-Id``
    if that is well-formed, else the same as ``job_id``; and ``key``, the name of the API key, None until it is known.
    uvicorn cancels requests that are not done when the server's shutdown time is over: they are answered 503. The query
    string is not logged, because it may hold text that the client would not want in a log.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        job_id = uuid.uuid4().hex
        request_id = _given_id(Headers(scope=scope)) or job_id
        scope.setdefault("state", {}).update(job_id=job_id, request_id=request_id, key=None)
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                timing = headers.get("server-timing")
                total = f"total;dur={(time.perf_counter() - started) * 1000:.1f}"
                headers["server-timing"] = f"{timing}, {total}" if timing else total
            await send(message)

        self.metrics.in_flight.inc()
        try:
            await self.app(scope, receive, send_with_id)
        except asyncio.CancelledError:
            if not status:
                response = error_response(NotReady("The server is stopping."))
                response.headers["connection"] = "close"
                await response(scope, receive, send_with_id)
            raise
        except Exception:
            LOG.exception("Request %s failed.", request_id)
            if not status:
                await error_response(internal_error(request_id))(scope, receive, send_with_id)
        finally:
            self.metrics.in_flight.dec()
            seconds = time.perf_counter() - started
            self.metrics.answered(scope, status, seconds)
            _log(scope, status, seconds)


def _given_id(headers: Headers) -> str | None:
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else None


def _log(scope: Scope, status: int, seconds: float) -> None:
    state = scope["state"]
    fields = {
        "client": scope["client"][0] if scope.get("client") else "-",
        "key": state["key"] or "-",
        "method": scope["method"],
        "path": quote(scope["path"]),  # a line break in it must not begin a line of the log
        "status": status,
        "ms": round(seconds * 1000),
        "request_id": state["request_id"],
        "job_id": state["job_id"],
    }
    line = "%(client)s %(key)s %(method)s %(path)s %(status)d %(ms)d ms %(request_id)s"
    if state["job_id"] != state["request_id"]:
        line += " %(job_id)s"
    level = logging.DEBUG if scope["path"] in PROBES else logging.INFO
    ACCESS_LOG.log(level, line, fields, extra={"fields": fields})
