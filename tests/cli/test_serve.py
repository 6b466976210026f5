from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from tests.cli.conftest import COMMAND, CommandLine


@dataclass
class Running:
    """A server that listens. ``said`` are the lines of its standard error until then."""

    process: subprocess.Popen[str]
    address: str
    said: list[str]

    def curls(self) -> list[list[str]]:
        """The commands that the server announces once it is ready; the last is for the user's own recording."""
        assert self.process.stderr
        lines = _until(self.process.stderr, "curl .*YOUR-RECORDING")
        return [shlex.split(line) for line in lines if line.startswith("curl ")]


@contextmanager
def running(environment: dict[str, str], *arguments: str | Path) -> Iterator[Running]:
    command = [*COMMAND, "serve", *map(str, arguments)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        try:
            said = _until(process.stderr, "Listening on ")
            yield Running(process, said[-1].split()[2], said)
        finally:
            process.kill()


def _until(stderr: IO[str], pattern: str) -> list[str]:
    """Read the lines up to the first one that begins with ``pattern``."""
    said = []
    for line in stderr:
        said.append(line.strip())
        if re.match(pattern, said[-1]):
            return said
    pytest.fail(f"the server ended: {said}")


def test_the_announced_curl_line_works_and_answers_like_the_command_line(
    environment: dict[str, str], tiny_multilingual: Path, recording: Path, cli: CommandLine
) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not here")
    with running(environment, "--port", "0", "--model", tiny_multilingual) as server:
        (*_sample, own) = server.curls()
        command = [part.replace("YOUR-RECORDING.mp3", str(recording)) for part in own]
        served = json.loads(subprocess.run([*command, "-s", "--retry", "0"], capture_output=True, check=True).stdout)
    printed = json.loads(cli("transcribe", recording, "--model", tiny_multilingual, "--format", "json").stdout)
    assert served["text"]
    assert alike(served) == alike(printed)


def test_with_a_key_it_announces_the_sample_and_an_own_recording_once_it_is_ready(
    environment: dict[str, str], demo_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("curl"):
        pytest.skip("curl is not here")
    keys = tmp_path / "keys"
    keys.write_text("laptop: YOUR-KEY-0123456789\n")
    monkeypatch.chdir(demo_model.parents[1])
    with running(environment | {"WHISPERX_NPU_AUTH__KEYS_FILE": str(keys)}, "--port", "0") as server:
        sample, own = server.curls()
        assert json.load(urlopen(f"{server.address}/readyz")) == {"status": "ready"}  # noqa: S310
        with_key = [part.replace("YOUR-KEY", "YOUR-KEY-0123456789") for part in sample]
        heard = json.loads(subprocess.run([*with_key, "-s"], capture_output=True, check=True).stdout)
    assert "Please set a" in heard["text"]
    assert sample[-1] == "file=@models/demo/sample.wav"
    assert own == [*sample[:-1], "file=@YOUR-RECORDING.mp3"]


def alike(answer: Any, key: str = "") -> Any:
    """Return a JSON answer with its floats and its job id, which differ between two runs, replaced by their types."""
    if isinstance(answer, dict):
        return {name: alike(value, name) for name, value in answer.items()}
    if isinstance(answer, list):
        return [alike(item, key) for item in answer]
    return type(answer) if isinstance(answer, float) or key == "job_id" else answer


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_with_status_0(
    environment: dict[str, str], tiny_multilingual: Path, stop: signal.Signals
) -> None:
    with running(environment, "--port", "0", "--model", tiny_multilingual) as server:
        host, _, port = server.address.removeprefix("http://").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        server.process.send_signal(stop)
        stdout, _stderr = server.process.communicate(timeout=30)
    assert server.process.returncode == 0
    assert stdout == ""


@pytest.mark.slow
def test_told_to_stop_in_the_middle_of_a_long_job_it_ends_with_status_0(
    environment: dict[str, str], tiny_multilingual: Path, long_recording: Path
) -> None:
    environment |= {"WHISPERX_NPU_SERVER__SHUTDOWN_SECONDS": "1"}
    with running(environment, "--port", "0", "--model", tiny_multilingual) as server, long_recording.open("rb") as body:
        request = Request(f"{server.address}/transcribe", body, {"Content-Type": "audio/wav"})  # noqa: S310
        asking = Thread(target=_answered, args=(request,))
        asking.start()
        while not json.load(urlopen(f"{server.address}/v1/status"))["queue"]["running"]:  # noqa: S310
            time.sleep(0.1)
        server.process.terminate()
        _stdout, stderr = server.process.communicate(timeout=60)
        asking.join()
    assert server.process.returncode == 0
    assert "Cut off 1 requests that were not done in time" in stderr
    assert "Left without waiting for the batch" not in stderr
    assert "Traceback" not in stderr


def _answered(request: Request) -> None:
    with suppress(HTTPError, ConnectionError, URLError), urlopen(request) as answer:  # noqa: S310
        answer.read()


def test_the_demo_is_called_a_demo(environment: dict[str, str], demo_model: Path) -> None:
    with running(environment, "--port", "0", "--model", "demo") as server:
        assert any("demonstration model" in line for line in server.said)


def test_a_port_in_use_is_one_line_and_status_2(cli: CommandLine, tiny_multilingual: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = cli("serve", "--port", str(port), "--model", tiny_multilingual)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Choose another address with --host and --port, or stop what listens there.\n"
    )


def test_a_missing_model_stops_the_start(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPERX_NPU_MODEL__MISSING", "refuse")
    result = cli("serve", "--model", "large-v3", "--port", "0")
    assert result.exit_code == 1
    assert result.stderr == "Error: The model large-v3 is not installed. Run `whisperx-npu models pull large-v3`.\n"


def test_an_npu_that_is_required_but_not_there(
    cli: CommandLine, tiny_multilingual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERX_NPU_NPU__MODE", "required")
    monkeypatch.setenv("WHISPERX_NPU_NPU__DEVICE", str(tmp_path / "accel0"))
    result = cli("serve", "--model", tiny_multilingual, "--port", "0")
    assert result.exit_code == 2
    assert "npu.mode is required" in result.stderr
    assert "Listening" not in result.stderr
