"""``whisperx-npu serve``: the HTTP server."""

from __future__ import annotations

import os
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.default_model import choose_model
from server.cli.errors import FAILED
from server.cli.logs import log_to_stderr
from server.cli.options import ConfigFile, ModelName, configured
from server.errors import ConfigurationError

if TYPE_CHECKING:
    from server.api.edge.uvicorn_server import Server
    from server.settings.load import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; else as configured.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="TCP port, 0 for a free one; else as configured.")
    ] = None,
    config: ConfigFile = None,
    model: ModelName = None,
) -> None:
    """Answer HTTP requests until told to stop (SIGTERM or Ctrl-C).

    Example: whisperx-npu serve --model small --port 9000
    """
    settings = configured(config, server={"host": host, "port": port}, model={"name": model})
    log_to_stderr(settings.log.level, settings.log.format)
    settings, notes = choose_model(settings)
    server = _server(settings, notes)
    with _listening(settings.server.host, settings.server.port) as listener:
        _announce(settings, listener.getsockname()[1])
        server.run(sockets=[listener])
    if not server.started:
        raise typer.Exit(FAILED)


def _server(settings: Settings, notes: tuple[str, ...]) -> Server:
    from server.api.app import create_app
    from server.api.edge.uvicorn_server import Server
    from server.engine.supervisor import SupervisedEngine

    return Server(create_app(settings, SupervisedEngine(settings, notes)), settings.server)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        why = str(error.strerror or error).partition(" (")[0]  # the rest repeats the address
        raise ConfigurationError(
            f"Cannot listen on {host}:{port}: {why}.",
            param="server.port",
            cure="Choose another address with --host and --port, or stop what listens there.",
        ) from error


def _announce(settings: Settings, port: int) -> None:
    from server.checkpoints.catalog import DEMO_DIR

    host = settings.server.host
    address = f"[{host}]" if ":" in host else host
    near = "localhost" if host in ("0.0.0.0", "::") else address  # noqa: S104  compared, not bound
    sample = DEMO_DIR / "sample.wav"
    near_sample = sample.is_file() and sample.is_relative_to(Path.cwd())  # else it may be in a container
    recording = shlex.quote(os.path.relpath(sample)) if near_sample else "YOUR-RECORDING.wav"
    typer.echo(f"Listening on http://{address}:{port} (documentation at /docs). Try:", err=True)
    typer.echo(f"  curl http://{near}:{port}/transcribe -F file=@{recording}", err=True)
