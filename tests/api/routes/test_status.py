"""/livez, /readyz, /v1/status and the life of the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import httpx2
import pytest
from pydantic import TypeAdapter

import server
from server.api import create_app
from server.api.routes.status import ServerStatus
from server.engine.contract import Pull
from server.settings.load import load_settings
from tests.api.live import serving
from tests.api.scripted import READY, ScriptedEngine


def test_alive_whatever_the_engine_does(http: httpx2.Client, engine: ScriptedEngine) -> None:
    engine.state = replace(READY, state="failed", error="no such model")
    response = http.get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


def test_ready(http: httpx2.Client, engine: ScriptedEngine) -> None:
    response = http.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("state", ["starting", "failed", "stopped"])
def test_not_ready(
    http: httpx2.Client, engine: ScriptedEngine, state: Literal["starting", "failed", "stopped"]
) -> None:
    engine.state = replace(READY, state=state, error="model.bin is damaged")
    response = http.get("/readyz")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    assert state in response.json()["error"]["message"]
    assert "model.bin is damaged" in response.json()["error"]["message"]
    assert int(response.headers["retry-after"]) > 0


def test_a_model_on_its_way_from_the_hub(http: httpx2.Client, engine: ScriptedEngine) -> None:
    assert http.get("/v1/status").json()["pull"] is None
    engine.state = replace(READY, state="starting", pull=Pull("small", 120_400_000, 484_000_000))
    message = http.get("/readyz").json()["error"]["message"]
    assert message == "The engine is not ready, its state is starting: small is being pulled: 120 of 484 MB."
    response = http.get("/v1/status")
    TypeAdapter(ServerStatus).validate_json(response.content, strict=True)
    assert response.json()["pull"] == {"model": "small", "bytes": 120_400_000, "total": 484_000_000}


def test_status(http: httpx2.Client, engine: ScriptedEngine) -> None:
    response = http.get("/v1/status")
    TypeAdapter(ServerStatus).validate_json(response.content, strict=True)
    body = response.json()
    assert body["version"] == server.__version__
    assert body["stages"] == [{"stage": "mel", "device": "cpu", "reason": "no NPU: /dev/accel/accel0 does not exist"}]
    assert body["queue"] == {"queued": 2, "running": 1, "limit": 128}
    assert body["warm_up"] == [{"stage": "encoder", "device": "cpu", "ms": 12.5}]
    assert body["models"][0]["aliases"] == ["whisper-1", "gpt-4o-transcribe"]
    assert http.get("/v1/status").json()["uptime_seconds"] >= body["uptime_seconds"] > 0


def test_status_tells_no_secret(tmp_path: object) -> None:
    settings = load_settings(diarize={"model": "a/b", "hf_token_file": "/run/secrets/hf-token"})
    with serving(create_app(settings, ScriptedEngine())) as url:
        body = httpx2.get(f"{url}/v1/status")
    assert "secret" not in body.text
    assert body.json()["settings"]["diarization"] is True


def test_engine_lives_with_the_server() -> None:
    engine = ScriptedEngine()
    with serving(create_app(load_settings(), engine)):
        assert engine.started
    assert not engine.started
