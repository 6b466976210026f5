"""The command line: one file per command, which imports slow packages only when the command runs.

Results go to standard output, everything else to standard error. The exit status is 0 after success, 1 after a failure,
and 2 if the command line or a setting is wrong.
"""

from __future__ import annotations

from typing import Annotated

import typer

import server
from server.cli import kernels, models, serve, transcribe
from server.cli.doctor import command as doctor
from server.cli.errors import ReportingGroup

app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(server.__version__)
        raise typer.Exit


@app.callback()
def _top(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Speech to text on AMD Ryzen AI NPUs and plain CPUs."""


app.command()(serve.serve)
app.command()(transcribe.transcribe)
app.command()(doctor.doctor)
app.add_typer(models.app, name="models")
app.add_typer(kernels.app, name="kernels")


def main() -> None:
    """Entry point of ``whisperx-npu``."""
    app(prog_name="whisperx-npu")
