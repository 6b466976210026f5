"""While the demo model serves in the place of the default one, every answer says so, whatever its route."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from server.api import create_app
from server.formats.answer import STAND_IN_NOTICE
from server.settings.load import load_settings
from tests.api.live import serving
from tests.api.posting import post_transcribe
from tests.api.scripted import DEMO, TRANSCRIPT, ScriptedEngine, steps

WHY = "base could not be pulled:\nnobody answers."
ON_ONE_LINE = "base could not be pulled: nobody answers."
HEADER = "x-whisperx-npu-warning"
PATHS = ("/livez", "/readyz", "/v1/status", "/v1/models", "/v1/models/demo", "/metrics", "/docs", "/openapi.json", "/x")


@pytest.mark.parametrize("path", PATHS)
def test_every_route(http: httpx2.Client, engine: ScriptedEngine, path: str) -> None:
    assert HEADER not in http.get(path).headers
    engine.reason = WHY
    assert http.get(path).headers[HEADER] == ON_ONE_LINE


def test_an_answer_in_every_format(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(replace(DEMO, stand_in=WHY))
    engine.reason = WHY
    for response_format in ("json", "text", "srt", "vtt"):
        assert post_transcribe(http, wav, response_format=response_format).headers[HEADER] == ON_ONE_LINE
    answer = post_transcribe(http, wav).json()
    assert answer["notice"] == STAND_IN_NOTICE.format(why=WHY)


def test_what_was_not_done_as_asked_is_said_first(http: httpx2.Client, engine: ScriptedEngine, wav: bytes) -> None:
    engine.steps = steps(replace(TRANSCRIPT, warnings=("No aligner.",)))
    engine.reason = WHY
    assert post_transcribe(http, wav).headers[HEADER] == f"No aligner. {ON_ONE_LINE}"


def test_refusals_of_the_edge(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("laptop: 0123456789abcdef0123\n")
    engine = ScriptedEngine()
    engine.reason = WHY
    with serving(create_app(load_settings(auth={"keys_file": keys}), engine)) as url:
        refused = httpx2.get(f"{url}/v1/models")
    assert (refused.status_code, refused.headers[HEADER]) == (401, ON_ONE_LINE)
