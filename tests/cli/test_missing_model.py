"""``serve`` with a default model that is not installed: the whole server, and a hub on localhost."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.test_serve import Running, running
from tests.hub import LocalHub, serving

FILLER = 40_000_000  # bytes beside the model: huggingface_hub writes, and shows, 10 MiB at a time
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def hub(tiny_multilingual: Path, tmp_path: Path) -> Iterator[LocalHub]:
    """A local Hugging Face Hub with the model base.en, and a large file beside it that is downloaded, too."""
    remote = Path(shutil.copytree(tiny_multilingual, tmp_path / "remote"))
    (remote / "vocabulary.filler").write_bytes(bytes(FILLER))
    with serving() as hub:
        hub.repositories["Systran/faster-whisper-base.en"] = remote
        yield hub


@pytest.fixture
def online(environment: dict[str, str], hub: LocalHub) -> dict[str, str]:
    """Environment variables of a server whose default model is base.en, to be downloaded from the local hub."""
    return environment | {
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": hub.url,
        "WHISPERX_NPU_MODEL__NAME": "base.en",
        "WHISPERX_NPU_MODEL__MISSING": "pull",
    }


def get(server: Running, path: str) -> tuple[int, Any]:
    try:
        with urlopen(f"{server.address}{path}") as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def pulled_bytes(server: Running) -> int:
    pull = get(server, "/v1/status")[1]["pull"]
    return pull["bytes"] if pull else 0


def test_it_listens_shows_how_far_it_is_and_goes_on_after_a_crash(online: dict[str, str], hub: LocalHub) -> None:
    hub.stall_after = 25_000_000
    with running(online, "--port", "0") as server:
        assert server.said[0] == "The model base.en is not installed and is pulled now; /readyz says how far it is."
        assert get(server, "/livez")[0] == 200
        until(lambda: pulled_bytes(server) > 20_000_000)
        status, body = get(server, "/readyz")
        assert status == 503
        assert "its state is starting: base.en is being pulled: 22 of 41 MB." in body["error"]["message"]
        assert get(server, "/v1/models")[0] == 200
        server.process.kill()
        stderr = server.process.communicate(timeout=30)[1]
    assert "INFO    server.engine.worker.pull: Pulling model base.en: " in stderr
    hub.stall_after = None
    with running(online, "--port", "0") as server:
        until(lambda: get(server, "/readyz")[0] == 200)
        assert get(server, "/v1/status")[1]["default_model"] == "base.en"
        server.process.terminate()
        stderr = server.process.communicate(timeout=30)[1]
    assert "Model base.en is pulled, in " in stderr
    assert f"bytes={20 << 20}-" in hub.ranges
    assert not any(said.endswith("is pulled now") for said in restarted(online))


def restarted(environment: dict[str, str]) -> list[str]:
    with running(environment, "--port", "0") as server:
        return server.said


def test_with_a_network_the_demo_does_not_stand_in(online: dict[str, str], hub: LocalHub) -> None:
    online |= {"WHISPERX_NPU_MODEL__MISSING": "pull_or_demo"}
    with running(online, "--port", "0") as server:
        assert "The model base.en is not installed and is pulled now" in "\n".join(server.said)
        assert get(server, "/v1/status")[1]["default_model"] == "base.en"


@pytest.mark.parametrize(("gated", "message"), [(False, "has no model someone/typo"), (True, "is gated")])
def test_what_the_hub_refuses_stops_the_start(
    cli: CommandLine,
    local_hub: LocalHub,
    tiny_multilingual: Path,
    monkeypatch: pytest.MonkeyPatch,
    gated: bool,
    message: str,
) -> None:
    monkeypatch.setenv("WHISPERX_NPU_MODEL__MISSING", "pull_or_demo")
    local_hub.repositories["someone/secret"] = tiny_multilingual
    local_hub.gated = gated
    result = cli("serve", "--model", "someone/secret" if gated else "someone/typo", "--port", "0")
    assert result.exit_code == 1
    assert message in result.stderr
    assert "HF_TOKEN" in result.stderr
    assert "Listening" not in result.stderr
