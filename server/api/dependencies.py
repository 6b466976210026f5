"""FastAPI dependencies of the routes: the objects that one application shares among its requests.

@routes.get("/v1/models")
async def list_models(engine: EngineDep) -> JSONResponse: ...
"""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from server.api.in_flight import InFlightRequests
from server.api.prometheus import Metrics
from server.engine.contract import Engine
from server.settings.load import Settings


def _engine(request: Request) -> Engine:
    return cast("Engine", request.app.state.engine)


def _settings(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


def _in_flight(request: Request) -> InFlightRequests:
    return cast("InFlightRequests", request.app.state.requests)


def _metrics(request: Request) -> Metrics:
    return cast("Metrics", request.app.state.metrics)


EngineDep = Annotated[Engine, Depends(_engine)]
SettingsDep = Annotated[Settings, Depends(_settings)]
InFlightDep = Annotated[InFlightRequests, Depends(_in_flight)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
