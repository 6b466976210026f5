"""The first start: with a network the configured model is pulled into the volume, without one the demo serves."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.containers.docker import Docker, project
from tests.hub import LocalHub, serving

FILLER = 40_000_000  # bytes beside the model, so that there is progress to see

pytestmark = pytest.mark.containers


@pytest.fixture
def hub(docker: Docker, tiny_multilingual: Path, tmp_path: Path) -> Iterator[LocalHub]:
    remote = Path(shutil.copytree(tiny_multilingual, tmp_path / "remote"))
    (remote / "vocabulary.filler").write_bytes(bytes(FILLER))
    with serving(host=docker.gateway()) as hub:
        hub.repositories["Systran/faster-whisper-base.en"] = remote
        yield hub


def self_signed(folder: Path, address: str) -> Path:
    """Make a self-signed certificate for ``address``, and return a PEM file of its key and itself.

    The file ``ca.pem`` beside it has the certificate alone.
    """
    key, certificate, both = (folder / name for name in ("key.pem", "ca.pem", "both.pem"))
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj", "/CN=test"]
    extensions = ("subjectAltName=IP:" + address, "keyUsage=critical,keyCertSign,digitalSignature")
    added = [part for extension in extensions for part in ("-addext", extension)]
    subprocess.run([*command, *added, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    both.write_text(key.read_text() + certificate.read_text())
    return both


def reached(hub: LocalHub) -> dict[str, str]:
    return {
        "HF_ENDPOINT": hub.url,
        "WHISPERX_NPU_MODEL__NAME": "base.en",
    }


def test_the_model_is_pulled_with_visible_progress_and_kept(
    docker: Docker, image: str, hub: LocalHub, tmp_path: Path
) -> None:
    with project(docker, tmp_path, **reached(hub)) as served:
        hub.stall_after = 25_000_000
        served.up(healthy=False)
        served.waited_for("Pulling model base.en")
        assert "base.en is being pulled" in httpx2.get(f"{served.url}/readyz").json()["error"]["message"]
        hub.stall_after = None
        served.compose("kill")
        served.up()
        assert served.status()["default_model"] == "base.en"
        asked = hub.requests
        served.compose("up", "--detach", "--no-build", "--wait", "--force-recreate")
        assert hub.requests == asked, "what is in the volume is not asked for again"
        assert "base.en" in served.run_in("whisperx-npu", "models", "list")


def test_a_proxy_on_the_way_out(docker: Docker, image: str, hub: LocalHub, tmp_path: Path) -> None:
    way_out = {"HTTP_PROXY": hub.url, "http_proxy": hub.url, "HF_ENDPOINT": "http://hub.example.org"}
    with project(docker, tmp_path, **reached(hub) | way_out) as served:
        served.up()
        assert served.status()["default_model"] == "base.en"


def test_a_proxy_that_opens_tls_is_believed_by_its_ca(
    docker: Docker, image: str, hub: LocalHub, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path, docker.gateway())
    hub.use_tls(certificate)
    with project(docker, tmp_path, **reached(hub)) as served:
        served.up()
        assert served.status()["default_model"] == "demo"
        served.settings["EXTRA_CA_FILE"] = str(certificate.with_name("ca.pem"))
        served.up()
        assert served.status()["default_model"] == "base.en"


def test_without_a_network_the_demo_serves_and_says_so(docker: Docker, image: str, tmp_path: Path) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "WHISPERX_NPU_MODEL__NAME": "base.en"}
    with project(docker, tmp_path, **nowhere) as served:
        served.up()
        status = served.status()
        assert status["default_model"] == "demo"
        assert any("base.en" in note and "demo" in note for note in status["notes"])
        assert "WARNING" in served.log()
