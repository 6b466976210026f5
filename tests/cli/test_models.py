from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.hub import REVISION, LocalHub

REPOSITORY = "someone/tiny-whisper"


@pytest.fixture
def cache_dir() -> Path:
    return Path(os.environ["WHISPERX_NPU_MODEL__CACHE_DIR"])


def test_pull_list_and_remove(
    cli: CommandLine, cache_dir: Path, tiny_multilingual: Path, tiny_english: Path, local_hub: LocalHub
) -> None:
    local_hub.repositories = {"Systran/faster-whisper-base.en": tiny_multilingual, REPOSITORY: tiny_english}
    pulled = cli("models", "pull", "base.en")
    assert (pulled.exit_code, pulled.stdout) == (0, f"{cache_dir / 'Systran--faster-whisper-base.en'}\n")
    assert cli("models", "pull", REPOSITORY).exit_code == 0
    listed = {line.split()[0]: line.split() for line in cli("models", "list").stdout.splitlines()}
    assert listed["base.en"][1:8] == ["1", "MB", "many", "hub", REVISION[:8], "no", "MIT"]
    assert listed["base.en"][-1] == str(cache_dir / "Systran--faster-whisper-base.en")
    assert listed[REPOSITORY][1:8] == ["1", "MB", "English", "hub", REVISION[:8], "no", "?"]
    assert cli("models", "remove", "base.en").exit_code == 0
    assert "base.en " not in cli("models", "list").stdout


def test_the_default_is_marked(
    cli: CommandLine, tiny_multilingual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHISPERX_NPU_MODEL__NAME")
    config = tmp_path / "config.yaml"
    config.write_text(f"model:\n  name: {tiny_multilingual}\n")
    lines = cli("models", "list", "--config", config).stdout.splitlines()
    assert lines[1].split()[:8] == ["*", tiny_multilingual.name, "1", "MB", "many", "?", "?", "no"]


def test_the_demo_is_listed_with_its_origin(cli: CommandLine, demo_model: Path) -> None:
    (line,) = cli("models", "list").stdout.splitlines()[1:]
    assert "built-in" in line
    assert "see NOTICE" in line


def test_a_model_brought_by_hand(cli: CommandLine, cache_dir: Path, tiny_english: Path) -> None:
    brought = cli("models", "pull", REPOSITORY, "--from", str(tiny_english))
    assert (brought.exit_code, brought.stdout) == (0, f"{cache_dir / 'someone--tiny-whisper'}\n")
    assert " files " in cli("models", "list").stdout
    again = cli("models", "pull", REPOSITORY, "--from", str(tiny_english))
    assert again.exit_code == 2
    assert "is installed already. Remove it first" in again.stderr


def test_a_file_that_is_not_the_known_one(cli: CommandLine, cache_dir: Path, tiny_english: Path) -> None:
    refused = cli("models", "pull", "tiny.en", "--from", str(tiny_english))
    assert refused.exit_code == 1
    assert "model.bin brought by hand is refused: its SHA-256 is" in refused.stderr
    assert not list((cache_dir / ".partial").iterdir())


def test_a_pull_that_fails_says_what_to_do(cli: CommandLine, local_hub: LocalHub) -> None:
    local_hub.shutdown()
    local_hub.server_close()
    result = cli("models", "pull", "tiny")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the Hugging Face Hub does not answer. Check the network and run `whisperx-npu models pull" in result.stderr


@pytest.mark.usefixtures("no_network")
def test_offline(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPERX_NPU_MODEL__OFFLINE", "true")
    result = cli("models", "pull", "tiny")
    assert result.exit_code == 1
    assert "the network is off" in result.stderr


def test_unknown_names(cli: CommandLine) -> None:
    for command in ("pull", "remove"):
        result = cli("models", command, "nonsense")
        assert result.exit_code == 1
        assert "There is no model 'nonsense'" in result.stderr


def test_the_demo_stays(cli: CommandLine) -> None:
    result = cli("models", "remove", "demo")
    assert result.exit_code == 2
    assert "not the catalogue's to delete" in result.stderr
