"""Fixtures for every test: settings that use tmp_path only, tiny models, and the shared recordings if they exist."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # read once, when huggingface_hub is imported
os.environ["WHISPERX_NPU_MODEL__NAME"] = "demo"  # the model of this repository, unless a test asks for another

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import huggingface_hub.constants
import hypothesis
import pytest
from huggingface_hub.utils import reset_sessions

from bench.random_checkpoints import build_tiny_whisper
from server.checkpoints.catalog import DEMO_DIR
from server.settings.load import ENV_PREFIX
from server.settings.stages import DEMO_MODEL
from tests.hub import LocalHub, serving
from tests.real_models import real_base, real_tiny_en  # noqa: F401  fixtures for every test

# A slow machine must not fail a test, and in CI the same commit must give the same result.
hypothesis.settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("house")

ROOT = Path(__file__).resolve().parents[1]
SHARED_AUDIO = ROOT.parent / "shared" / "audio"


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the environment's settings from the tests, and keep the tests away from the machine's models."""
    for name in os.environ:
        if name.upper().startswith(ENV_PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setenv(f"{ENV_PREFIX}MODEL__NAME", DEMO_MODEL)
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "system"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(f"{ENV_PREFIX}MODEL__CACHE_DIR", str(tmp_path / "cache" / "models"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test on the first look-up or connection, even if the code under test handles the error."""

    def refuse(*args: object, **_: object) -> NoReturn:
        pytest.fail(f"reached for the network: {args[:2]}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def local_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A Hugging Face Hub on localhost, to which huggingface_hub connects while the test runs."""
    with serving() as hub:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE", template)
        reset_sessions()
        yield hub
    reset_sessions()


@pytest.fixture(scope="session")
def tiny_multilingual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CTranslate2 Whisper with random weights and 99 languages; all tests share it, so do not write to it."""
    return build_tiny_whisper(tmp_path_factory.mktemp("models") / "tiny-multilingual", multilingual=True, format="ct2")


@pytest.fixture(scope="session")
def tiny_english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An English-only CTranslate2 Whisper with random weights; all tests share it, so do not write to it."""
    return build_tiny_whisper(tmp_path_factory.mktemp("models") / "tiny-english", multilingual=False, format="ct2")


@pytest.fixture
def tiny_hf(tiny_multilingual: Path, tmp_path: Path) -> Path:
    """A copy, which the test may change, of the transformers checkpoint that tiny_multilingual was made from."""
    source = tiny_multilingual.with_name(f"{tiny_multilingual.name}-hf")
    return Path(shutil.copytree(source, tmp_path / "tiny-hf"))


@pytest.fixture(scope="session")
def simulated_kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory in which tests build kernel folders of the simulated NPU."""
    return tmp_path_factory.mktemp("simulated")


@pytest.fixture(scope="session")
def shared_audio() -> Path:
    """The recordings beside the repository, with MANIFEST.tsv; the test is skipped without them."""
    if not SHARED_AUDIO.is_dir():
        pytest.skip("../shared/audio is not here")
    return SHARED_AUDIO


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The small failing inputs of users' reports beside the repository; the test is skipped without them."""
    cases = ROOT.parent / "shared" / "cases"
    if not cases.is_dir():
        pytest.skip("../shared/cases is not here")
    return cases


@pytest.fixture(scope="session")
def demo_model() -> Path:
    """The committed demo model; the test is skipped without it."""
    if not (DEMO_DIR / "model.bin").is_file():
        pytest.skip("models/demo/model.bin is not here")
    return DEMO_DIR
