"""The other images: with PyTorch from an index of CPU wheels, whose packages are stand-ins here; without a model."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.containers.docker import BUILD_SECONDS, IMAGE, ROOT, Docker
from tests.containers.wheels import write_wheel

PINS = re.findall(r"^(\w+)==(\S+)$", (ROOT / "docker" / "torch-cpu.txt").read_text(), re.MULTILINE)

pytestmark = pytest.mark.containers


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name in the base class
        """Log nothing."""


@contextmanager
def index(folder: Path, host: str) -> Iterator[str]:
    """Context manager that serves ``folder`` as a package index, as PEP 503 has it, and yields its address."""
    server = ThreadingHTTPServer((host, 0), partial(Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{host}:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def build(docker: Docker, target: str = "packages", **arguments: str) -> tuple[int, str]:
    given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    bundle = os.environ.get("SSL_CERT_FILE", "/dev/null")
    secret = ["--secret", f"id=extra_ca,src={bundle}"]
    file = ["--file", "docker/Dockerfile", "--target", target, "--tag", f"{IMAGE}-{target}"]
    run = docker.tried("build", *secret, *given, *file, ".", seconds=BUILD_SECONDS)
    return run.returncode, run.stderr


def test_pytorch_comes_from_the_index_of_cpu_wheels_and_the_rest_from_the_lock(
    docker: Docker, image: str, tmp_path: Path
) -> None:
    for name, version in PINS:
        (tmp_path / name).mkdir()
        write_wheel(tmp_path / name, name, version, {f"{name}/__init__.py": "STAND_IN = True\n"})
    with index(tmp_path, docker.gateway()) as address:
        status, said = build(docker, TORCH="cpu", TORCH_INDEX=address)
    assert status == 0, said[-4_000:]
    look = "import torch, torchaudio, importlib.metadata as m; print(torch.STAND_IN, m.version('whisperx'))"
    run = docker("run", "--rm", "--entrypoint", "/opt/venv/bin/python", f"{IMAGE}-packages", "-c", look)
    assert run.split() == ["True", "3.8.6"]
    listed = docker("run", "--rm", "--entrypoint", "ls", f"{IMAGE}-packages", "/opt/venv/lib/python3.13/site-packages")
    assert "nvidia" not in listed
    assert "triton" not in listed
    docker("rmi", f"{IMAGE}-packages")


def test_without_the_address_of_the_index_the_build_says_so(docker: Docker, image: str) -> None:
    status, said = build(docker, TORCH="cpu")
    assert status != 0
    assert "TORCH=cpu needs TORCH_INDEX, the address of the index of CPU wheels" in said


def test_an_image_without_a_model(docker: Docker, image: str) -> None:
    status, said = build(docker, "model", MODEL="none")
    assert status == 0, said[-4_000:]
    assert docker("run", "--rm", "--entrypoint", "ls", f"{IMAGE}-model", "-A", "/models").split() == []
    docker("rmi", f"{IMAGE}-model")


def test_a_model_that_cannot_be_had_stops_the_build_with_the_cure(docker: Docker, image: str) -> None:
    status, said = build(docker, "model", MODEL="nonsense")
    assert status != 0
    assert "There is no model 'nonsense'" in said
    assert "MODEL=none builds an image without one" in said
