"""API keys: accepted and refused requests, limits of one key, and that no log or error shows a key."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import openai
import pytest

from server.api import create_app
from server.api.edge.auth import Keys
from server.errors import ConfigurationError
from server.settings.load import load_settings
from tests.api.live import access_log, connected, serving, waited
from tests.api.scripted import TRANSCRIPT, Hang, ScriptedEngine

LAPTOP = "a-key-for-the-laptop"
CI = "a-key-for-the-machine"
HASHED = hashlib.sha256(CI.encode()).hexdigest()


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# who may ask\n\nlaptop: {LAPTOP}\nci: sha256:{HASHED}\n")
    return path


@pytest.fixture
def scripted() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def locked(scripted: ScriptedEngine, keys_file: Path, uploads: Path) -> Iterator[str]:
    """The URL of a server that requires keys and allows one request of each at a time."""
    settings = load_settings(auth={"keys_file": keys_file, "max_concurrent": 1})
    with serving(create_app(settings, scripted)) as url:
        yield url


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("key", [LAPTOP, CI])
def test_client_with_a_key(locked: str, wav: bytes, key: str) -> None:
    with openai.OpenAI(base_url=f"{locked}/v1", api_key=key) as client:
        assert client.audio.transcriptions.create(model="whisper-1", file=wav).text == TRANSCRIPT.text
        assert client.models.list().data


@pytest.mark.parametrize("key", ["wrong", HASHED, f"sha256:{HASHED}", LAPTOP[:-1], "ключ"])
def test_client_with_a_wrong_key(locked: str, scripted: ScriptedEngine, wav: bytes, key: str) -> None:
    headers = [(b"Authorization", f"Bearer {key}".encode())]
    response = httpx2.post(f"{locked}/v1/audio/transcriptions", files={"file": wav}, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["x-should-retry"] == "false"
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert not scripted.jobs


def test_openai_client_makes_its_own_error_of_it(locked: str, wav: bytes) -> None:
    with openai.OpenAI(base_url=f"{locked}/v1", api_key="wrong") as client, pytest.raises(openai.AuthenticationError):
        client.audio.transcriptions.create(model="whisper-1", file=wav)


@pytest.mark.parametrize("headers", [{}, {"Authorization": LAPTOP}, {"Authorization": f"Basic {LAPTOP}"}])
@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/docs", "/openapi.json", "/nowhere", "//livez", "/livez/"])
def test_everything_else_is_locked(locked: str, path: str, headers: dict[str, str]) -> None:
    assert httpx2.get(locked + path, headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_open_paths(locked: str, path: str) -> None:
    assert httpx2.get(locked + path).status_code == 200


def test_refused_before_the_body(locked: str, uploads: Path) -> None:
    with connected(locked, "/transcribe", "Content-Type: audio/wav\r\nContent-Length: 20000000") as sock:
        sock.settimeout(10)
        assert sock.recv(4096).startswith(b"HTTP/1.1 401 ")
        assert not any(uploads.glob("whisperx-npu-*/*"))


def test_the_log_has_the_name_and_never_the_key(locked: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        httpx2.get(f"{locked}/v1/models", headers=bearer(LAPTOP))
        httpx2.get(f"{locked}/v1/models", headers=bearer("a-key-that-is-wrong"))
        assert waited(lambda: len(access_log(caplog)) == 2)
    assert " laptop GET /v1/models 200 " in access_log(caplog)[0]
    assert " - GET /v1/models 401 " in access_log(caplog)[1]
    said = " ".join(record.getMessage() for record in caplog.records if record.name.startswith(("server", "uvicorn")))
    assert LAPTOP not in said
    assert "wrong" not in said


def test_one_key_cannot_take_all(locked: str, scripted: ScriptedEngine, wav: bytes) -> None:
    scripted.steps = [Hang()]
    with connected(locked, "/transcribe", f"Authorization: Bearer {LAPTOP}\r\nContent-Length: 4\r\nContent-Type: a/b"):
        assert waited(lambda: _refusal(locked, LAPTOP, wav) == (429, "key_busy"))
        with ThreadPoolExecutor() as threads:
            threads.submit(_refusal, locked, CI, wav)
            assert scripted.hanging.wait(10), "another key had to wait"
            assert httpx2.get(f"{locked}/v1/models", headers=bearer(LAPTOP)).status_code == 200
            scripted.reset()
    assert waited(lambda: _refusal(locked, LAPTOP, wav) == (200, None)), "the place was not given back"


def _refusal(url: str, key: str, wav: bytes) -> tuple[int, str | None]:
    try:
        response = httpx2.post(f"{url}/transcribe", content=wav, headers=bearer(key), timeout=1)
    except httpx2.TimeoutException:
        return 0, None
    return response.status_code, response.json()["error"]["code"] if response.is_error else None


def test_keys_see_their_own_requests_only(locked: str, wav: bytes) -> None:
    headers = {"X-Request-Id": "mine", **bearer(LAPTOP)}
    job_id = httpx2.post(f"{locked}/transcribe", content=wav, headers=headers).json()["job_id"]
    for name in ("mine", job_id):
        url = f"{locked}/v1/requests/{name}"
        assert httpx2.get(url, headers=bearer(LAPTOP)).json()["id"] == job_id
        assert httpx2.get(url, headers=bearer(CI)).status_code == 404


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds none"),
        ("# nobody\n", "holds none"),
        ("laptop a-key-without-a-colon\n", "line 1: not `name: key`"),
        ("ok: 0123456789abcdef\nlap top: 0123456789abcdef\n", "line 2: not `name: key`"),
        ("laptop: short\n", "line 1: the key has fewer than 16"),
        ("laptop: sha256:0123\n", "line 1: the key has fewer than 16"),
        ("a: 0123456789abcdef\na: 0123456789abcdeX\n", "line 2: name or key twice"),
        ("a: 0123456789abcdef\nb: 0123456789abcdef\n", "line 2: name or key twice"),
    ],
)
def test_a_wrong_file_names_the_line_and_no_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=message) as raised:
        Keys.read(path)
    assert "0123456789" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Keys.read(tmp_path / "keys")
