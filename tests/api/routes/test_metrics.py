"""GET /metrics: values from the engine and the requests, and the page that lists every metric."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.api import create_app
from server.engine.contract import EngineProcess, Fallback, Observation, QueueTime, Restart, StageRun
from server.errors import EngineFailure
from server.settings.load import load_settings
from tests.api.live import serving
from tests.api.scripted import READY, ScriptedEngine

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
PREFIX = "whisperx_npu_"
OBSERVED: tuple[Observation, ...] = (
    QueueTime("tiny", 0.5),
    StageRun("tiny", "encoder", "npu", 3, 0.25),
    StageRun("tiny", "encoder", "npu", 1, 0.25),
    StageRun("tiny", "decoder", "cpu", 1, 2.0),
    Fallback("tiny", "decoder", "log_prob"),
    Restart("tiny", "hang"),
)


@pytest.fixture
def scripted() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def server(scripted: ScriptedEngine, uploads: Path) -> Iterator[httpx2.Client]:
    with serving(create_app(load_settings(), scripted)) as url, httpx2.Client(base_url=url) as client:
        yield client


def samples(client: httpx2.Client) -> dict[str, float]:
    """Read /metrics, and return the value of each Prometheus sample by its name and labels."""
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name.removeprefix(PREFIX)}{{{labels}}}"] = sample.value
    return found


def test_what_the_engine_measures(server: httpx2.Client, scripted: ScriptedEngine) -> None:
    for observation in OBSERVED:
        for observer in scripted.observers:
            observer(observation)
    found = samples(server)
    assert found["windows_total{device=npu,model=tiny,stage=encoder}"] == 4
    assert found["windows_total{device=cpu,model=tiny,stage=decoder}"] == 1
    assert found["stage_seconds_count{device=npu,model=tiny,stage=encoder}"] == 2
    assert found["stage_seconds_sum{device=npu,model=tiny,stage=encoder}"] == 0.5
    assert found["stage_seconds_bucket{device=cpu,le=1.0,model=tiny,stage=decoder}"] == 0
    assert found["stage_seconds_bucket{device=cpu,le=3.0,model=tiny,stage=decoder}"] == 1
    assert found["queue_seconds_sum{model=tiny}"] == 0.5
    assert found["fallbacks_total{model=tiny,reason=log_prob,stage=decoder}"] == 1
    assert found["engine_restarts_total{model=tiny,reason=hang}"] == 1


def test_what_the_engine_is_doing(server: httpx2.Client, scripted: ScriptedEngine) -> None:
    process = EngineProcess("tiny", 7, "ready", 123_456_789)
    scripted.state = replace(READY, processes=(process,), waiting_seconds=90.5, speed=12.5)
    found = samples(server)
    assert found["resident_memory_bytes{model=tiny,process=engine}"] == 123_456_789
    page = os.sysconf("SC_PAGE_SIZE")
    ours = int(Path("/proc/self/statm").read_text().split()[1]) * page  # the server is a thread of this process
    assert found["resident_memory_bytes{model=,process=server}"] == pytest.approx(ours, rel=0.2)
    assert (found["jobs{state=queued}"], found["jobs{state=running}"]) == (2, 1)
    assert (found["waiting_audio_seconds{}"], found["audio_seconds_per_second{}"], found["ready{}"]) == (90.5, 12.5, 1)
    scripted.state = replace(READY, state="starting")
    found = samples(server)
    assert found["ready{}"] == 0
    assert "audio_seconds_per_second{}" not in found


def test_requests_are_counted_by_route_and_status(server: httpx2.Client, scripted: ScriptedEngine, wav: bytes) -> None:
    server.post("/transcribe", files={"file": wav})
    scripted.steps = [EngineFailure("Broken.")]
    server.post("/transcribe", files={"file": wav})
    server.get("/v1/models/whisper-1")
    server.get("/v1/models/no/such")
    found = samples(server)
    assert found["requests_total{method=POST,route=/transcribe,status=200}"] == 1
    assert found["requests_total{method=POST,route=/transcribe,status=500}"] == 1
    models = "/v1/models/{model_id:path}"
    assert found[f"requests_total{{method=GET,route={models},status=200}}"] == 1
    assert found[f"requests_total{{method=GET,route={models},status=404}}"] == 1
    assert found["request_seconds_count{route=/transcribe}"] == 2
    assert found["requests_in_flight{}"] == 1  # this one


def test_strangers_cannot_invent_labels(server: httpx2.Client) -> None:
    names = []
    for i in range(3):
        server.get(f"/invented/{i}")
        server.request(f"METHOD{i}", "/transcribe")
        names.append(set(samples(server)))
    assert names[1] == names[2]
    assert not any("invented" in name or "METHOD" in name for name in names[2])


def test_the_page_lists_every_metric(server: httpx2.Client, scripted: ScriptedEngine) -> None:
    for observation in OBSERVED:
        for observer in scripted.observers:
            observer(observation)
    scripted.state = replace(READY, speed=1.0)
    server.get("/livez")
    text = server.get("/metrics").text
    served = {}
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        labels = re.search(rf"^{name}(?:_bucket)?\{{(.*?)\}} ", text, re.MULTILINE)
        served[name] = (kind, set(re.findall(r'(\w+)="', labels[1]) if labels else []) - {"le"})
    rows = re.findall(r"^\| `(whisperx_npu_\w+)` \| (\w+) \| (.*?) ?\|", PAGE, re.MULTILINE)
    assert {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows} == served
