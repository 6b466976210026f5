"""Options that several commands share, and the settings that result from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from server.settings.load import Settings

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="YAML file with settings; else $WHISPERX_NPU_CONFIG, else ./config.yaml."),
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="A Whisper name, a Hugging Face id, a directory, or demo; else as configured."),
]


def configured(config: Path | None, **groups: dict[str, object]) -> Settings:
    """Return the settings of file and environment, overridden by options; None in ``groups`` is an option not given.

    Raises ConfigurationError when a setting is wrong.
    """
    from server.settings.load import load_settings  # pydantic takes 0.3 s

    given = {group: {key: value for key, value in keys.items() if value is not None} for group, keys in groups.items()}
    return load_settings(config, **given)
