"""The systemd unit, its drop-in for API keys and docs/install.md fit the program and each other.

That systemd takes the unit, and what it confines, is tried by hand: docs/install.md says where.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import typer

from server.api.edge.uvicorn_server import CLOSE_SECONDS, LEAVE_SECONDS
from server.cli import app
from server.cli.errors import WRONG_USE
from server.settings.load import ENV_PREFIX, setting_names
from server.settings.service import ServerSettings

ROOT = Path(__file__).resolve().parents[1]
INSTALL = (ROOT / "docs" / "install.md").read_text()


def directives(name: str) -> Iterator[tuple[str, str]]:
    for line in (ROOT / "packaging" / name).read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            yield key, value


UNIT = dict(directives("whisperx-npu.service"))
KEYS = dict(directives("keys.conf"))


def test_it_starts_a_command_that_is_there() -> None:
    program, name, *options = shlex.split(UNIT["ExecStart"])
    assert program == f"{UNIT['WorkingDirectory']}/.venv/bin/whisperx-npu"
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    flags = {flag for parameter in commands[name].params for flag in parameter.opts}
    assert {option for option in options if option.startswith("-")} <= flags


def test_it_is_stopped_after_the_server_gives_up_by_itself() -> None:
    assert float(UNIT["TimeoutStopSec"]) > ServerSettings().shutdown_seconds + CLOSE_SECONDS + LEAVE_SECONDS


def test_a_wrong_setting_is_not_tried_again() -> None:
    assert UNIT["Restart"] == "on-failure"
    assert int(UNIT["RestartPreventExitStatus"]) == WRONG_USE


def test_files_suffice_for_the_connections_and_as_many_uploads() -> None:
    assert int(UNIT["LimitNOFILE"]) > 3 * ServerSettings().max_connections  # twice as many are open, to be refused


def test_the_keys_are_where_the_server_reads_them() -> None:
    variable, _, path = KEYS["Environment"].partition("=")
    assert variable in {f"{ENV_PREFIX}{group.upper()}__{key.upper()}" for group, key in setting_names()}
    credential, _, source = KEYS["LoadCredential"].partition(":")
    assert path == f"%d/{credential}"
    assert source in INSTALL


def test_the_steps_make_what_it_expects() -> None:
    home = f"/var/lib/{UNIT['StateDirectory']}"
    assert f"--home-dir {home} --shell /usr/sbin/nologin {UNIT['User']}\n" in INSTALL
    config = shlex.split(UNIT["ExecStart"])[-1]
    assert f"tee {config}\n" in INSTALL
    installed = re.findall(r"install (?:-D )?-m 644 (packaging/\S+)", INSTALL)
    assert {f"packaging/{path.name}" for path in (ROOT / "packaging").iterdir()} == set(installed)
