"""GET /v1/models and /v1/models/{id}."""

from __future__ import annotations

import httpx2
import openai
import pytest
from openai.types import Model

from server.formats import DEMO_NOTICE
from tests.api.scripted import ScriptedEngine


def test_list(client: openai.OpenAI, http: httpx2.Client) -> None:
    assert [model.id for model in client.models.list()] == [
        "tiny-model",
        "whisper-1",
        "gpt-4o-transcribe",
        "org/name-large",
        "demo",
    ]
    body = http.get("/v1/models").json()
    assert body["object"] == "list"
    for entry in body["data"]:
        Model.model_validate(entry, strict=True)


@pytest.mark.parametrize(
    ("name", "root"),
    [("tiny-model", "tiny-model"), ("whisper-1", "tiny-model"), ("org/name-large", "org/name-large")],
)
def test_one(client: openai.OpenAI, name: str, root: str) -> None:
    model = client.models.retrieve(name)
    assert model.id == name
    assert model.model_extra is not None
    assert model.model_extra["root"] == root


def test_demo_model_says_so(http: httpx2.Client) -> None:
    entry = http.get("/v1/models/demo").json()
    assert (entry["demo"], entry["description"]) == (True, DEMO_NOTICE)
    other = http.get("/v1/models/tiny-model").json()
    assert other["demo"] is False
    assert "description" not in other


def test_unknown(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-nothing")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_unknown_in_a_transcription(client: openai.OpenAI, engine: ScriptedEngine, wav: bytes) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.audio.transcriptions.create(model="gpt-nothing", file=wav)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
