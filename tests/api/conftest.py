"""A live server around a scripted engine, and clients for it."""

from __future__ import annotations

import io
import tempfile
import wave
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from server.api import create_app
from server.settings.load import Settings, load_settings
from tests.api.live import serving
from tests.api.scripted import ScriptedEngine

MAX_UPLOAD_MB = 8


@pytest.fixture(scope="session")
def session_engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture(scope="session")
def settings() -> Settings:
    return load_settings(
        server={"max_upload_mb": MAX_UPLOAD_MB}, diarize={"model": "some/pipeline"}, align={"method": "auto"}
    )


@pytest.fixture(scope="session")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of the server's uploads, which must be empty again after a request."""
    folder = tmp_path_factory.mktemp("uploads")
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    yield folder
    tempfile.tempdir = before


@pytest.fixture(scope="session")
def url(session_engine: ScriptedEngine, settings: Settings, uploads: Path) -> Iterator[str]:
    with serving(create_app(settings, session_engine)) as base:
        yield base


@pytest.fixture
def engine(session_engine: ScriptedEngine) -> ScriptedEngine:
    """The scripted engine, reset for each test."""
    session_engine.reset()
    return session_engine


@pytest.fixture(scope="session")
def session_http(url: str) -> Iterator[httpx2.Client]:
    """One HTTP client for all tests, because making one takes a tenth of a second."""
    with httpx2.Client(base_url=url, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def session_client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", timeout=20) as client:
        yield client


@pytest.fixture
def http(session_http: httpx2.Client, engine: ScriptedEngine) -> httpx2.Client:
    return session_http


@pytest.fixture
def client(session_client: openai.OpenAI, engine: ScriptedEngine) -> openai.OpenAI:
    return session_client


@pytest.fixture(scope="session")
def wav() -> bytes:
    """A WAV file with a tenth of a second of silence."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(3200))
    return buffer.getvalue()
