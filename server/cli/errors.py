"""Errors of the domain as one line on standard error and an exit status."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from kernels.errors import KernelsError
from server.errors import ConfigurationError, InvalidInput, WhisperXError

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells say it


class ReportingGroup(TyperGroup):
    """Commands that may raise WhisperXError or KernelsError."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (WhisperXError, KernelsError) as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(WRONG_USE if isinstance(error, ConfigurationError | InvalidInput) else FAILED) from error
