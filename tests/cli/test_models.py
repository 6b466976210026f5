from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.hub import LocalHub

REPOSITORY = "someone/tiny-whisper"


@pytest.fixture
def cache_dir() -> Path:
    return Path(os.environ["WHISPERX_NPU_MODEL__CACHE_DIR"])


def test_pull_list_and_remove(
    cli: CommandLine, cache_dir: Path, tiny_multilingual: Path, tiny_english: Path, local_hub: LocalHub
) -> None:
    local_hub.repositories = {"Systran/faster-whisper-tiny": tiny_multilingual, REPOSITORY: tiny_english}
    pulled = cli("models", "pull", "tiny")
    assert (pulled.exit_code, pulled.stdout) == (0, f"{cache_dir / 'Systran--faster-whisper-tiny'}\n")
    assert cli("models", "pull", REPOSITORY).exit_code == 0
    listed = {line.split()[0]: line.split() for line in cli("models", "list").stdout.splitlines()}
    assert listed["tiny"] == ["tiny", "1", "MB", "many", str(cache_dir / "Systran--faster-whisper-tiny")]
    assert listed[REPOSITORY][1:4] == ["1", "MB", "English"]
    assert cli("models", "remove", "tiny").exit_code == 0
    assert "tiny " not in cli("models", "list").stdout.replace(REPOSITORY, "")


def test_the_default_is_marked(
    cli: CommandLine, tiny_multilingual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHISPERX_NPU_MODEL__NAME")
    config = tmp_path / "config.yaml"
    config.write_text(f"model:\n  name: {tiny_multilingual}\n")
    lines = cli("models", "list", "--config", config).stdout.splitlines()
    assert lines[1].split()[:2] == ["*", tiny_multilingual.name]


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
