"""The committed demonstration model behind the real server: it works, and every route says that it is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from server.api import create_app
from server.engine.supervisor import SupervisedEngine
from server.formats import DEMO_NOTICE
from server.settings.load import load_settings
from tests.api.live import LOADING, serving, waited

RECORDING = "ljspeech/LJ001-0002.wav"


@pytest.fixture(scope="module")
def demo_url(demo_model: Path, uploads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = load_settings(model={"cache_dir": tmp_path_factory.mktemp("models"), "offline": True})
    with serving(create_app(settings, SupervisedEngine(settings))) as base:
        assert waited(lambda: httpx2.get(f"{base}/readyz").status_code == 200, LOADING)
        yield base


@pytest.fixture
def recording(shared_audio: Path) -> Path:
    return shared_audio / RECORDING


def test_answer(demo_url: str, recording: Path) -> None:
    response = httpx2.post(f"{demo_url}/transcribe", files={"file": recording.read_bytes()}, timeout=60)
    body = response.json()
    assert (body["model"], body["demo"], body["notice"]) == ("demo", True, DEMO_NOTICE)
    assert (response.headers["x-model"], response.headers["x-whisperx-npu-notice"]) == ("demo", DEMO_NOTICE)
    assert body["text"]
    assert body["npu_mel_time"] is None
    words = [word for segment in body["segments"] for word in segment["words"]]
    assert words
    assert all(0 <= word["start"] <= word["end"] <= body["duration"] for word in words)


def test_openai_client(demo_url: str, recording: Path) -> None:
    with openai.OpenAI(base_url=f"{demo_url}/v1", api_key="none") as client:
        plain = client.audio.transcriptions.create(model="whisper-1", file=recording)
        stream = client.audio.transcriptions.create(model="whisper-1", file=recording, stream=True)
        deltas = "".join(event.delta for event in stream if event.type == "transcript.text.delta")
        assert plain.text == deltas != ""
        subtitles = client.audio.transcriptions.create(model="demo", file=recording, response_format="srt")
        assert subtitles.split("\n")[2] in plain.text


def test_models(demo_url: str) -> None:
    for name in ("demo", "whisper-1"):
        entry = httpx2.get(f"{demo_url}/v1/models/{name}").json()
        assert (entry["root"], entry["demo"], entry["description"]) == ("demo", True, DEMO_NOTICE)
