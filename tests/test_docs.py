"""The documentation has every setting, command and option, and no other. Routes: tests/api/test_docs.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from docs.generate import FILES
from server.cli import app
from server.pipeline import text_stages

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows(text: str) -> Iterator[list[str]]:
    return (cells(line) for line in text.splitlines() if line.startswith("| `"))


@pytest.mark.parametrize("name", FILES)
def test_generated_files_are_fresh(name: str) -> None:
    assert (ROOT / name).read_text() == FILES[name](), "run `make docs`"


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


def test_every_text_stage_is_among_the_metrics() -> None:
    metrics = (DOCS / "operations.md").read_text().partition("## Metrics")[2].partition("\n| ")[0]
    classes = [value for value in vars(text_stages).values() if isinstance(value, type)]
    names = {getattr(each, "name", "") for each in classes if each.__module__ == text_stages.__name__}
    assert names
    assert names <= set(re.findall(r"`([a-z]+)`", metrics))


def test_links_lead_somewhere() -> None:
    for page in (*DOCS.glob("*.md"), ROOT / "README.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
