"""The documentation has a line for every setting, command and option, and none for what is not there.

Routes: tests/api/test_docs.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from server.cli import app
from server.settings.load import ENV_PREFIX, Settings, load_settings, setting_names

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows(text: str) -> Iterator[list[str]]:
    return (cells(line) for line in text.splitlines() if line.startswith("| `"))


def test_settings() -> None:
    documented = {row[0].strip("`"): row for row in rows((DOCS / "settings.md").read_text())}
    assert set(documented) == {f"{group}.{key}" for group, key in setting_names()}
    for group, field in Settings.model_fields.items():
        assert field.annotation
        for key, setting in field.annotation.model_fields.items():
            _name, variable, default, meaning = documented[f"{group}.{key}"]
            assert variable == f"`{ENV_PREFIX}{group.upper()}__{key.upper()}`"
            assert meaning == setting.description
            value = default.strip("`")
            if key != "cache_dir":  # depends on who runs it
                configured = load_settings(None, **{group: {key: setting.get_default(call_default_factory=True)}})
                assert getattr(getattr(read_default(group, key, value), group), key) == getattr(
                    getattr(configured, group), key
                )


def read_default(group: str, key: str, value: str) -> Settings:
    """The setting as it is when the documented default is put into the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"{ENV_PREFIX}{group.upper()}__{key.upper()}", value)
        return load_settings()


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


@pytest.mark.parametrize(("name", "command"), list(commands(typer.main.get_command(app))))
def test_commands_and_options(name: str, command: Any) -> None:
    text = (DOCS / "cli.md").read_text()
    section = re.search(rf"^## whisperx-npu {name}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"docs/cli.md has no section for {name}"
    documented = {option for row in rows(section[1]) for option in re.findall(r"--[a-z-]+", row[0])}
    options = {flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")} - {"--help"}
    assert documented == options


def test_links_lead_somewhere() -> None:
    for page in (*DOCS.glob("*.md"), ROOT / "README.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
