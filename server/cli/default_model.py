"""The default model at the start of ``serve``: installed, pulled while the server listens, or replaced by the demo."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import typer

from server.errors import HubUnreachable

if TYPE_CHECKING:
    from server.settings.load import Settings

log = logging.getLogger(__name__)

WHAT_THE_DEMO_IS = (
    "This is the demonstration model: it shows that the server works and is no general speech recognizer. "
)


def choose_model(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Apply ``model.missing``: return the settings of this run and the notes that every status has about them.

    Raises ModelNotFound for a name that is no model, and ModelUnavailable for a model that is not installed and may not
    be pulled.
    """
    from server.checkpoints.catalog import DEMO_DIR, Catalog

    catalog = Catalog(settings.model)
    name, missing = settings.model.name, settings.model.missing
    if missing == "refuse" or not catalog.is_missing(name):
        if catalog.resolve(name) == DEMO_DIR:
            cure = "For real use: `whisperx-npu models pull small`, then `whisperx-npu serve --model small`."
            typer.echo(WHAT_THE_DEMO_IS + cure, err=True)
        return settings, ()
    try:
        if missing == "pull_or_demo":
            catalog.ask(name)
    except HubUnreachable as error:
        return _demo_instead(settings, f"{error.message} The demo model serves until the next start.")
    typer.echo(f"The model {catalog.default} is not installed and is pulled now; /readyz says how far it is.", err=True)
    return settings, ()


def _demo_instead(settings: Settings, why: str) -> tuple[Settings, tuple[str, ...]]:
    from server.checkpoints.catalog import Catalog
    from server.settings.stages import DEMO_MODEL

    model = settings.model.model_copy(update={"name": DEMO_MODEL})
    Catalog(model).resolve(DEMO_MODEL)
    log.warning("%s", why)
    typer.echo(f"{WHAT_THE_DEMO_IS}{settings.model.name} serves once a start can pull it.", err=True)
    return settings.model_copy(update={"model": model}), (why,)
