"""FastAPI's own OpenTelemetry support, enabled by our settings only (FastAPI enables it by default)."""

from __future__ import annotations

import os
from importlib.util import find_spec

from fastapi.telemetry import TelemetryConfig

from server.errors import ConfigurationError
from server.settings.service import TracingSettings

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def telemetry(settings: TracingSettings) -> TelemetryConfig:
    """Return FastAPI's telemetry configuration: traces if enabled, and neither metrics nor logs.

    Raises ConfigurationError if tracing is enabled without an endpoint or without OpenTelemetry's SDK and exporter.
    """
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
