from __future__ import annotations

import subprocess
import sys

import server
from tests.cli.conftest import COMMAND, CommandLine

SLOW = {
    "torch",
    "openvino",
    "transformers",
    "ctranslate2",
    "faster_whisper",
    "fastapi",
    "pydantic",
    "huggingface_hub",
    "librosa",
}


def test_help_loads_nothing_slow() -> None:
    program = "import sys, server.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "typer" in loaded
    assert SLOW.isdisjoint(loaded)


def test_version() -> None:
    shown = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"{server.__version__}\n"


def test_every_command_has_help(cli: CommandLine) -> None:
    for command in (
        ["serve"],
        ["transcribe"],
        ["doctor"],
        ["models", "list"],
        ["models", "pull"],
        ["models", "remove"],
    ):
        result = cli(*command, "--help")
        assert result.exit_code == 0
        assert "Usage:" in result.stdout


def test_a_wrong_setting_is_one_line_and_status_2() -> None:
    shown = subprocess.run(
        [*COMMAND, "models", "list"],
        env={"WHISPERX_NPU_SERVER__PORT": "many", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 2
    assert shown.stderr.startswith("Error: Wrong setting: server.port = 'many': Input should be a valid integer")
    assert shown.stderr.count("\n") == 1


def test_a_missing_configuration_file(cli: CommandLine) -> None:
    result = cli("doctor", "--config", "nowhere.yaml")
    assert result.exit_code == 2
    assert result.stderr == "Error: The configuration file nowhere.yaml does not exist.\n"
