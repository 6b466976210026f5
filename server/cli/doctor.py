"""``whisperx-npu doctor``: what this machine has, what it lacks, and the cure."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from server.cli.errors import FAILED
from server.cli.options import ConfigFile, ModelName, configured


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
    config: ConfigFile = None,
    model: ModelName = None,
) -> None:
    """Check this machine; status 1 only if the server could not run on it at all."""
    from server.cli.checks import run_checks

    checks = list(run_checks(configured(config, model={"name": model})))
    runs = all(check.state != "fatal" for check in checks)
    if as_json:
        typer.echo(json.dumps({"can_serve": runs, "checks": [dataclasses.asdict(check) for check in checks]}))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            cure = f" -> {check.cure}" if check.cure else ""
            typer.echo(f"{check.state:<8}{check.name:<{width}}  {check.detail}{cure}")
    if not runs:
        raise typer.Exit(FAILED)
