"""The settings of the service around the stages: HTTP, keys, logs, traces and processes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from server.settings.group import Group, Positive


class ServerSettings(Group):
    """The HTTP server: its address and its limits."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 listens on every interface.")
    port: int = Field(9000, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    max_upload_mb: Positive = Field(1024, description="Largest request body, in MiB.")
    max_audio_seconds: Positive = Field(6 * 3600, description="Longest recording, in seconds.")
    max_queue: Positive = Field(
        128, description="Requests that may wait or run at the same time; further ones are answered 429."
    )
    max_connections: Positive = Field(
        400, description="Connections that may be open at the same time; requests on further ones are answered 503."
    )
    read_timeout_seconds: float = Field(
        30, gt=0, description="Longest wait for the head of a request, and for each further part of its body."
    )
    min_upload_rate: int = Field(
        1024,
        ge=0,
        description="Slowest average upload that is accepted, in bytes per second, measured once "
        "server.read_timeout_seconds have passed; 0 accepts any.",
    )
    shutdown_seconds: float = Field(
        5,
        ge=0,
        description="Time in which a server that was told to stop finishes its requests; it cuts off the others.",
    )
    cors_origins: tuple[str, ...] = Field(
        (), description='Origins whose pages may call this server from a browser; "*" allows all.'
    )


class AuthSettings(Group):
    """API keys, and the limits for each of them."""

    keys_file: Path | None = Field(
        None,
        description="File of API keys, one per line: `name: key` or `name: sha256:<hex>`. Without a file, no key is "
        "asked for.",
        examples=["/etc/whisperx-npu/keys"],
    )
    open_paths: tuple[str, ...] = Field(("/livez", "/readyz"), description="Paths that need no key.")
    max_concurrent: int = Field(
        0,
        ge=0,
        description="POST requests that one key may have in progress; further ones are answered 429; 0 sets no limit.",
    )


class LogSettings(Group):
    """The log, which is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level to write.")
    format: Literal["console", "json"] = Field(
        "console", description="console writes lines for people, json one JSON object per line."
    )


class TracingSettings(Group):
    """OpenTelemetry traces."""

    enabled: bool = Field(
        False, description="Send a trace of each request by OTLP to the address in OTEL_EXPORTER_OTLP_ENDPOINT."
    )


class EngineSettings(Group):
    """The processes that hold the models, and the limits for waiting requests."""

    keep_alive: float = Field(
        -1,
        ge=-1,
        description="Seconds for which a model stays in memory after its last request; -1 keeps it for ever, 0 unloads "
        "it at once.",
    )
    keep_alive_models: dict[str, Annotated[float, Field(ge=-1)]] = Field(
        default_factory=dict, description="Values of engine.keep_alive for single models, by id."
    )
    memory_mb: int = Field(
        0,
        ge=0,
        description="Most memory that loaded models may take together, in MiB. When it is used up, the least recently "
        "used model is unloaded. 0 means three quarters of the memory of the machine or container.",
    )
    max_queue_seconds: Positive = Field(
        12 * 3600,
        description="Audio that may wait or run at the same time, in seconds; further requests are answered 429.",
    )
    timeout_seconds: float | None = Field(
        None,
        gt=0,
        description="Longest time that a request may take, waiting included, in seconds. null sets no limit.",
    )
    hang_seconds: float = Field(
        30,
        gt=0,
        description="Seconds without a sign of life after which a process is killed and started again.",
    )
    window_seconds: float = Field(
        120,
        gt=0,
        description="Seconds on one window of 30 s in one stage after which a process is killed and started again.",
    )
