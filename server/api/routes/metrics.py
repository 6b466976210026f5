"""GET /metrics: the metrics in Prometheus' text format."""

from __future__ import annotations

from fastapi import APIRouter, Response

from server.api.dependencies import MetricsDep
from server.api.prometheus import CONTENT_TYPE

routes = APIRouter(tags=["status"])


@routes.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "Every metric, in Prometheus' text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def metrics(metrics: MetricsDep) -> Response:
    """Return counts and times since the start, in Prometheus' text format."""
    return Response(metrics.text(), media_type=CONTENT_TYPE)
