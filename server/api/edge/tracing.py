"""OpenTelemetry by FastAPI's own support, which is on unless it is told otherwise: here the settings tell."""

from __future__ import annotations

import os
from importlib.util import find_spec

from fastapi.telemetry import TelemetryConfig

from server.errors import ConfigurationError
from server.settings.service import TracingSettings

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def telemetry(settings: TracingSettings) -> TelemetryConfig:
    """Traces only: metrics are Prometheus' here. Raises ConfigurationError where nobody could receive them."""
    if settings.enabled:
        if not any(os.environ.get(name) for name in ENDPOINTS):
            raise ConfigurationError(
                "tracing.enabled is set, but not where traces go.",
                param="tracing.enabled",
                cure="Set OTEL_EXPORTER_OTLP_ENDPOINT, for example to http://localhost:4318.",
            )
        if not (find_spec("opentelemetry.sdk") and find_spec("opentelemetry.exporter.otlp.proto.http")):
            raise ConfigurationError(
                "tracing.enabled is set, but OpenTelemetry's SDK or its OTLP exporter is not installed.",
                param="tracing.enabled",
                cure="Run `pip install fastapi[opentelemetry]`.",
            )
    return {"tracing": settings.enabled, "metrics": False, "logs": False, "auto_configure": settings.enabled}
