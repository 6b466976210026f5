"""``whisperx-npu serve``: the HTTP server."""

from __future__ import annotations

import os
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.default_model import why_demo_serves
from server.cli.errors import FAILED
from server.cli.logs import log_to_stderr
from server.cli.options import ConfigFile, ModelName, configured
from server.errors import ConfigurationError

if TYPE_CHECKING:
    from server.api.edge.uvicorn_server import Server
    from server.engine.contract import Engine
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
    server = _server(settings, why_demo_serves(settings))
    with _listening(settings.server.host, settings.server.port) as listener:
        port = listener.getsockname()[1]
        typer.echo(f"Listening on {_address(settings, port)} (documentation at /docs).", err=True)
        server.when_ready(lambda engine: _announce(settings, engine, port))
        server.run(sockets=[listener])
    if not server.started:
        raise typer.Exit(FAILED)


def _server(settings: Settings, stand_in: str | None) -> Server:
    from server.api.app import create_app
    from server.api.edge.uvicorn_server import Server
    from server.engine.supervisor import SupervisedEngine

    return Server(create_app(settings, SupervisedEngine(settings, stand_in)), settings.server)


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


def _announce(settings: Settings, engine: Engine, port: int) -> None:
    """Print a command for the sample of this repository, where it can be reached, and one for the user's recording."""
    from server.checkpoints.catalog import DEMO_DIR

    near = _address(settings, port, near=True)
    key = " -H 'Authorization: Bearer YOUR-KEY'" if settings.auth.keys_file else ""
    recordings = ["YOUR-RECORDING.mp3"]
    sample = DEMO_DIR / "sample.wav"
    if sample.is_file() and sample.is_relative_to(Path.cwd()):  # else it may be in a container
        recordings.insert(0, shlex.quote(os.path.relpath(sample)))
    typer.echo(f"The model {engine.status().default_model} is ready. Try:", err=True)
    for recording in recordings:
        typer.echo(f"  curl {near}/transcribe{key} -F file=@{recording}", err=True)


def _address(settings: Settings, port: int, *, near: bool = False) -> str:
    """Return the server's URL; with ``near``, one that works on this machine where it listens on every interface."""
    host = settings.server.host
    if near and host in ("0.0.0.0", "::"):  # noqa: S104  compared, not bound
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
