"""The default model as commands find it: installed, pulled now, or replaced by the demo where no source answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from server.cli.progress import bar
from server.errors import HubUnreachable

if TYPE_CHECKING:
    from server.checkpoints.catalog import Catalog
    from server.settings.load import Settings

ASK_SECONDS = 5.0  # for all sources together, before the server listens
WHAT_THE_DEMO_IS = (
    "This is the demonstration model: it shows that the server works and is no general speech recognizer. "
)


def why_demo_serves(settings: Settings) -> str | None:
    """Apply ``model.missing`` before ``serve`` listens: return why the demo must stand in, None where it need not.

    Sources that have not answered after ``ASK_SECONDS`` are given up, and asked again while the server listens. Raises
    ModelNotFound for a name that is no model, and ModelUnavailable for a model that is not installed and may not be
    pulled.
    """
    from server.checkpoints.catalog import DEMO_DIR, Catalog

    catalog = Catalog(settings.model)
    name, missing = settings.model.name, settings.model.missing
    if missing == "refuse" or not catalog.is_missing(name):
        if catalog.resolve(name) == DEMO_DIR:
            typer.echo(f"{WHAT_THE_DEMO_IS}For real use: `whisperx-npu serve --model base`.", err=True)
        return None
    if missing == "pull_or_demo" and (why := _unanswered(catalog, name)):
        _check_demo(catalog)
        typer.echo(f"{WHAT_THE_DEMO_IS}{catalog.default} serves as soon as it can be had.", err=True)
        return why
    typer.echo(f"The model {catalog.default} is not installed and is pulled now; /readyz says how far it is.", err=True)
    return None


def pulled_or_demo(settings: Settings, *, named: bool) -> tuple[Settings, str | None]:
    """Apply ``model.missing`` before ``transcribe`` reads: pull a missing model, and show a bar.

    Return the settings of this run, and why the demo stands in, None where it does not. The demo never stands in for a
    model that was ``named`` on the command line. Raises as ``why_demo_serves`` does, and for a pull that fails.
    """
    from server.checkpoints.catalog import Catalog
    from server.settings.stages import DEMO_MODEL

    catalog = Catalog(settings.model)
    name, missing = settings.model.name, settings.model.missing
    if missing == "refuse" or not catalog.is_missing(name):
        catalog.resolve(name)
        return settings, None
    try:
        with bar(f"Pulling {catalog.default}", is_bytes=True) as update:
            catalog.pull(name, update)
    except HubUnreachable as error:
        if named or missing != "pull_or_demo":
            raise
        _check_demo(catalog)
        why = f"{error.message} For real use, run `whisperx-npu models pull {catalog.default}` first."
        typer.echo(f"Warning: {WHAT_THE_DEMO_IS}{why}", err=True)
        demo = settings.model.model_copy(update={"name": DEMO_MODEL})
        return settings.model_copy(update={"model": demo}), why
    return settings, None


def _unanswered(catalog: Catalog, name: str) -> str | None:
    """Return why no source gives the model now, None where one does. Raises the refusals of a source that answers."""
    try:
        catalog.ask(name, ASK_SECONDS)
    except HubUnreachable as error:
        return error.message
    return None


def _check_demo(catalog: Catalog) -> None:
    from server.settings.stages import DEMO_MODEL

    catalog.resolve(DEMO_MODEL)
