"""Exit statuses, and the errors of this project as one line on standard error."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from kernels.errors import KernelsError
from server.errors import ConfigurationError, InvalidInput, WhisperXError

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class ReportingGroup(TyperGroup):
    """A group of commands that reports a WhisperXError or KernelsError as one line and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (WhisperXError, KernelsError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(WRONG_USE if isinstance(error, ConfigurationError | InvalidInput) else FAILED) from error
