"""``whisperx-npu doctor``: report what this machine has, what it lacks, and the cure."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from server.cli.errors import FAILED
from server.cli.options import ConfigFile, ModelName, configured
from server.errors import InvalidInput


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")] = False,
    config: ConfigFile = None,
    model: ModelName = None,
    stages: Annotated[
        bool, typer.Option("--stages", help="Load the model, too, to measure which device serves mel and encoder.")
    ] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", help="Write the report and more to this new .tar.gz, to send it; no audio, no secrets."
        ),
    ] = None,
    attach: Annotated[
        list[Path] | None,
        typer.Option("--attach", help="With --bundle: a text file, or a folder of them; may be given several times."),
    ] = None,
) -> None:
    """Check this machine. The exit status is 1 only if the server could not run on it at all.

    Example: whisperx-npu doctor --stages
    """
    from server.cli.doctor.checks import run_checks

    if attach and bundle is None:
        raise InvalidInput(
            "--attach says what goes into a bundle.", param="attach", cure="Name its file with --bundle."
        )
    settings = configured(config, model={"name": model})
    checks = list(run_checks(settings, stages=stages))
    runs = all(check.state != "fatal" for check in checks)
    report = {"can_serve": runs, "checks": [dataclasses.asdict(check) for check in checks]}
    if as_json:
        typer.echo(json.dumps(report))
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            cure = f" -> {check.cure}" if check.cure else ""
            typer.echo(f"{check.state:<8}{check.name:<{width}}  {check.detail}{cure}")
    if bundle is not None:
        from server.cli.doctor.bundle import write_bundle

        names = write_bundle(bundle, settings, report, attach or ())
        typer.echo(f"{bundle} holds {', '.join(names)}. Look into it before you send it.", err=True)
    if not runs:
        raise typer.Exit(FAILED)
