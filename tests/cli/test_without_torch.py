"""The server without the extra ``whisperx``, as the container image installs it by default."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import httpx2
import pytest
from packaging.utils import canonicalize_name

from tests.cli.conftest import COMMAND
from tests.cli.test_serve import running
from tests.hub import LocalHub, serving
from tests.test_lock import pinned

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("docker/requirements.lock", "requirements.lock")
CURE = (
    "This installation is without PyTorch: install whisperx-npu[whisperx]; for the container image see docs/install.md."
)
LACKING = "needs packages that are not installed here: torch, torchaudio, transformers, whisperx."

FINDER = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {modules} else super().find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, *context):
        return (found for found in super().find_distributions(*context) if found.name not in {packages})

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose sitecustomize.py hides the packages of the extra ``whisperx`` from every process."""
    kept, every = ({requirement.name for requirement, _ in pinned(name).values()} for name in LOCKS)
    modules = {
        module
        for module, packages in packages_distributions().items()
        if all(canonicalize_name(package) in every - kept for package in packages)
    }
    assert {"torch", "torchaudio", "transformers", "whisperx", "pyannote", "safetensors", "pandas"} <= modules
    directory = tmp_path_factory.mktemp("without")
    (directory / "sitecustomize.py").write_text(FINDER.format(modules=modules, packages=every - kept))
    return directory


@pytest.fixture
def slim(environment: dict[str, str], finder: Path) -> dict[str, str]:
    """Environment variables for a child process that cannot import the packages of the extra ``whisperx``."""
    return environment | {"PYTHONPATH": f"{finder}{os.pathsep}{ROOT}"}


def run(slim: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, arguments)], env=slim, capture_output=True, text=True, check=False)


def refused(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 400, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error["message"].endswith(f"{LACKING} {CURE}")
    return error


def test_a_real_transcription_with_word_times(slim: dict[str, str], demo_model: Path) -> None:
    with (
        running(slim, "--port", "0", "--model", "demo") as server,
        httpx2.Client(base_url=server.address, timeout=60) as http,
        (demo_model / "sample.wav").open("rb") as recording,
    ):
        answer = http.post("/transcribe", files={"file": recording}).json()
    assert answer["text"].startswith("Good morning.")
    assert all(word["end"] > word["start"] for segment in answer["segments"] for word in segment["words"])
    assert answer["segments"][0]["words"]


def test_requests_that_need_it_are_refused_and_auto_goes_without(
    slim: dict[str, str], tiny_multilingual: Path, recording: Path
) -> None:
    slim["WHISPERX_NPU_ALIGN__MODELS"] = '{"de": "/somewhere"}'
    with (
        running(slim, "--port", "0", "--model", tiny_multilingual) as server,
        httpx2.Client(base_url=server.address, timeout=60) as http,
    ):

        def post(path: str, **fields: str) -> httpx2.Response:
            return http.post(path, data=fields, files={"file": recording.read_bytes()})

        assert refused(post("/transcribe", align="whisperx"))["param"] == "align"
        assert refused(post("/transcribe", enable_diarization="true"))["param"] == "enable_diarization"
        openai = post("/v1/audio/transcriptions", response_format="diarized_json")
        assert refused(openai)["param"] == "response_format"
        answer = post("/transcribe", language="de").json()
        assert answer["warnings"] == [f"wav2vec2 alignment {LACKING} Decoder attention was used instead."]
        assert answer["segments"][0]["words"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("align.method", "whisperx"),
        ("vad.method", "pyannote"),
        ("diarize.model", "someone/pipeline"),
    ],
)
def test_settings_that_need_it_stop_the_start(slim: dict[str, str], setting: str, value: str, demo_model: Path) -> None:
    slim[f"WHISPERX_NPU_{setting.replace('.', '__').upper()}"] = value
    done = run(slim, *COMMAND, "serve", "--port", "0", "--model", "demo")
    assert done.returncode == 2
    assert f"Error: {setting} = {value} {LACKING} {CURE}\n" in done.stderr
    assert "Listening" not in done.stderr
    report = json.loads(run(slim, *COMMAND, "doctor", "--json").stdout)
    packages = next(check for check in report["checks"] if check["name"] == "packages")
    assert (packages["state"], report["can_serve"]) == ("fatal", False)
    assert packages["detail"].endswith(f"{setting} = {value}")


def test_a_transformers_checkpoint_cannot_be_converted(slim: dict[str, str], tiny_hf: Path) -> None:
    done = run(slim, *COMMAND, "serve", "--port", "0", "--model", tiny_hf)
    assert done.returncode == 1
    assert done.stderr == f"Error: Conversion of the transformers checkpoint {tiny_hf.name} {LACKING} {CURE}\n"


def test_a_transformers_checkpoint_is_not_even_downloaded(slim: dict[str, str], tiny_hf: Path) -> None:
    with serving() as hub:
        done = pull(slim, hub, {"someone/tiny": tiny_hf})
        assert done.returncode == 1
        assert f"someone/tiny is a transformers checkpoint: its conversion {LACKING} {CURE}\n" in done.stderr
        assert hub.sent == 0


def test_a_converted_one_is(slim: dict[str, str], tiny_multilingual: Path) -> None:
    with serving() as hub:
        done = pull(slim, hub, {"someone/tiny": tiny_multilingual})
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip(), "model.bin").is_file()


def pull(slim: dict[str, str], hub: LocalHub, repositories: dict[str, Path]) -> subprocess.CompletedProcess[str]:
    hub.repositories = repositories
    online = slim | {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
    return run(online, *COMMAND, "models", "pull", "someone/tiny")


def test_the_command_line_says_it_too(slim: dict[str, str], recording: Path, tiny_multilingual: Path) -> None:
    for option in (("--align", "whisperx"), ("--diarize",)):
        done = run(slim, *COMMAND, "transcribe", recording, "--model", tiny_multilingual, *option)
        assert done.returncode != 0
        assert f"{LACKING} {CURE}" in done.stderr


def test_the_doctor_lists_it_as_missing(slim: dict[str, str], tiny_multilingual: Path) -> None:
    done = run(slim, *COMMAND, "doctor", "--json", "--model", tiny_multilingual)
    packages = next(check for check in json.loads(done.stdout)["checks"] if check["name"] == "packages")
    assert packages["state"] == "missing"
    assert packages["detail"].endswith("; not installed: torch, torchaudio, transformers, whisperx")
    assert packages["cure"] == CURE
    assert done.returncode == 0


def test_traces_can_be_sent(slim: dict[str, str]) -> None:
    script = "from server.api.edge.tracing import telemetry; from server.settings.service import TracingSettings\n"
    script += "print(telemetry(TracingSettings(enabled=True))['tracing'])"
    done = run(slim | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, sys.executable, "-c", script)
    assert done.stdout == "True\n", done.stderr
