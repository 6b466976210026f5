"""Write the files that list every setting: docs/settings.md, config.yaml and .env.example.

Names, defaults and texts come from server/settings, introductions from docs/templates. ``make docs`` runs this file,
and a test fails when one of the three is not what it would write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from server.settings.group import Group
from server.settings.load import ENV_PREFIX, Settings

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "docs" / "templates"
WIDTH = 120

SET_BY_THE_IMAGE = ("server.host", "server.port", "auth.keys_file", "diarize.hf_token_file", "model.cache_dir")


def settings_page() -> str:
    """docs/settings.md: a table for each group."""
    lines = [(TEMPLATES / "settings.md").read_text()]
    for name, group in _groups():
        lines += [f"## {name}\n", f"{group.__doc__}\n"]
        lines += ["| Key | Environment variable | Default | Meaning |", "|---|---|---|---|"]
        for key, field in group.model_fields.items():
            shown = _as_variable(_default(field) if field.default is None else _shown(field))
            lines.append(f"| `{name}.{key}` | `{_variable(name, key)}` | `{shown}` | {field.description} |")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def config_file() -> str:
    """config.yaml: every setting with its default, commented out where an example stands in its place."""
    lines = ["# Every setting with its default. docs/settings.md also has the environment variables."]
    lines += ["# This file is written by `make docs` and says the same as no file at all."]
    for name, group in _groups():
        lines += ["", *_comment(str(group.__doc__)), f"{name}:"]
        for key, field in group.model_fields.items():
            off = "# " if field.examples else ""
            lines += [*_comment(str(field.description), indent="  "), f"  {off}{key}: {_as_yaml(_shown(field))}"]
    return "\n".join(lines) + "\n"


def env_example() -> str:
    """.env.example: what compose.yaml reads, and every setting that neither it nor the image sets."""
    lines = [(TEMPLATES / "env.example").read_text().rstrip("\n")]
    for name, group in _groups():
        lines += ["", *_comment(str(group.__doc__))]
        for key, field in group.model_fields.items():
            if f"{name}.{key}" not in SET_BY_THE_IMAGE:
                shown = _as_variable(_default(field))
                lines += [*_comment(str(field.description)), f"#{_variable(name, key)}={shown}"]
    return "\n".join(lines) + "\n"


FILES: dict[str, Callable[[], str]] = {
    "docs/settings.md": settings_page,
    "config.yaml": config_file,
    ".env.example": env_example,
}


def _groups() -> Iterator[tuple[str, type[Group]]]:
    for name, field in Settings.model_fields.items():
        assert isinstance(field.annotation, type)  # noqa: S101
        assert issubclass(field.annotation, Group)  # noqa: S101
        yield name, field.annotation


def _default(field: FieldInfo) -> Any:
    return field.get_default(call_default_factory=True)


def _shown(field: FieldInfo) -> Any:
    """The example if there is one, else the default."""
    return field.examples[0] if field.examples else _default(field)


def _variable(group: str, key: str) -> str:
    return f"{ENV_PREFIX}{group}__{key}".upper()


def _as_variable(value: Any) -> str:
    """The text of a value in an environment variable: JSON, but for plain text."""
    return str(value) if isinstance(value, str | Path) else json.dumps(value)


def _as_yaml(value: Any) -> str:
    plain = str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=float("inf")).removesuffix("...\n").strip()


def _comment(text: str, indent: str = "") -> list[str]:
    prefix = f"{indent}# "
    lines = wrap(text, WIDTH, initial_indent=prefix, subsequent_indent=prefix, break_on_hyphens=False)
    return [line.rstrip() for line in lines]


def main() -> None:
    """Write the three files."""
    for name, content in FILES.items():
        (ROOT / name).write_text(content(), encoding="utf-8")


if __name__ == "__main__":
    main()
