"""docs/api.md has every route, field, error code and header, and its examples run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from server.api.errors import ERROR_KINDS, HTTP_CODES
from server.formats import Answer
from tests.api.scripted import ScriptedEngine

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
SECTIONS = {section.partition("\n")[0]: section for section in PAGE.split("\n## ")[1:]}
EXAMPLES = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def schema(http: httpx2.Client) -> dict[str, Any]:
    body: dict[str, Any] = http.get("/openapi.json").json()
    return body


def test_every_route_has_a_section_with_an_example(schema: dict[str, Any]) -> None:
    routes = {f"{method.upper()} {path}" for path, methods in schema["paths"].items() for method in methods}
    assert routes == set(re.findall(r"^\| \[((?:GET|POST) [^\]]+)\]", PAGE, re.MULTILINE)), "the table of routes"
    assert routes == {name for name in SECTIONS if name.startswith(("GET", "POST"))}
    assert all("```sh\ncurl" in SECTIONS[route] for route in routes)


def test_every_field_is_in_the_table_of_its_route(schema: dict[str, Any]) -> None:
    for path, methods in schema["paths"].items():
        if "post" in methods:
            content = methods["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
            rows = set(re.findall(r"^\| `([a-z_]+(?:\[\])?)` \|", SECTIONS[f"POST {path}"], re.MULTILINE))
            assert rows >= set(content), path
            if path.startswith("/v1"):
                assert rows == set(content), path


def test_every_key_of_the_answer_is_described() -> None:
    described = set(re.findall(r"`([a-z_]+)`", SECTIONS["POST /transcribe"]))
    assert described >= set(Answer.__annotations__)


def test_every_error_code_is_listed() -> None:
    rows = set(re.findall(r"^\| (\d+) \| `([a-z_]+)` \|", SECTIONS["Errors"], re.MULTILINE))
    assert rows == {(str(kind.status), kind.code) for kind in ERROR_KINDS.values()} | {
        (str(status), code) for status, code in HTTP_CODES.items()
    }


def test_every_header_is_listed(schema: dict[str, Any]) -> None:
    rows = set(re.findall(r"^\| `([A-Za-z-]+)", SECTIONS["Headers"], re.MULTILINE))
    described = schema["paths"]["/transcribe"]["post"]["responses"]["200"]["headers"]
    assert rows >= set(described)


def test_every_route_is_explained_on_the_openapi_page(schema: dict[str, Any]) -> None:
    for methods in schema["paths"].values():
        for route in methods.values():
            assert route["summary"]
            assert route["description"]
            assert "422" not in route["responses"]


def test_the_page_names_every_form_of_a_field(schema: dict[str, Any]) -> None:
    body = schema["paths"]["/v1/audio/transcriptions"]["post"]["requestBody"]["content"]["multipart/form-data"]
    fields = body["schema"]["properties"]
    assert [option["type"] for option in fields["chunking_strategy"]["anyOf"]] == ["string", "object"]
    assert fields["languages[]"]["items"] == {"type": "string"}
    assert "null" not in str(fields)


def test_the_openapi_page_works_without_internet(http: httpx2.Client) -> None:
    page = http.get("/docs").text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(assets) >= 2
    for asset in assets:
        assert asset.startswith("/"), asset
        assert http.get(asset).status_code == 200
    assert http.get("/docs/assets/no-such-file").json()["error"]["code"] == "not_found"


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example_runs(example: str, url: str, engine: ScriptedEngine, wav: bytes, tmp_path: Path) -> None:
    (tmp_path / "speech.wav").write_bytes(wav)
    command = example.replace("http://localhost:9000", url).replace("curl ", "curl -sS --fail-with-body ", 1)
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
