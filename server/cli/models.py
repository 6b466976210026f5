"""``whisperx-npu models``: list, pull and remove Whisper models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.options import ConfigFile, configured
from server.cli.progress import bar

if TYPE_CHECKING:
    from server.checkpoints.catalog import Catalog, InstalledModel

app = typer.Typer(help="List, pull and remove Whisper models.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A Whisper name (tiny ... large-v3, turbo) or a Hugging Face id.")]


@app.command("list")
def show(config: ConfigFile = None) -> None:
    """List the installed models; * marks the default."""
    catalog = _catalog(config)
    rows: list[tuple[str, ...]] = [("", "MODEL", "SIZE", "LANGUAGES", "WHERE")]
    rows += [_row(entry, default=entry.id == catalog.default) for entry in catalog.entries()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def pull(name: Name, config: ConfigFile = None) -> None:
    """Download a model and print its directory. An interrupted download resumes where it stopped.

    Example: whisperx-npu models pull small
    """
    catalog = _catalog(config)
    with bar(catalog.canonical(name), is_bytes=True) as update:
        path = catalog.pull(name, update)
    typer.echo(path)


@app.command()
def remove(name: Name, config: ConfigFile = None) -> None:
    """Delete an installed model.

    Example: whisperx-npu models remove small
    """
    _catalog(config).remove(name)


def _catalog(config: Path | None) -> Catalog:
    from server.checkpoints.catalog import Catalog

    return Catalog(configured(config).model)


def _row(entry: InstalledModel, *, default: bool) -> tuple[str, ...]:
    languages = {True: "many", False: "English", None: "?"}[entry.multilingual]
    size = f"{entry.bytes / 1e6:.0f} MB"
    return ("*" if default else "", entry.id, size, languages, entry.problem or str(entry.path))
