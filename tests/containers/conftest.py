"""One engine and one image for all tests here; without an engine they are skipped, and say why."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.docker import Docker, Project, project

ENGINE = Path(__file__).with_name("engine")
NONE_CAN_RUN = 77
REQUIRED = "REQUIRE_CONTAINERS"  # set where an engine is certain: then its absence is a failure

SKIPPED: list[str] = []  # why, to be said once


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for why in SKIPPED:
        terminalreporter.write_line(why)


def asked(command: str, environment: dict[str, str]) -> str:
    run = subprocess.run([ENGINE, command], env=environment, capture_output=True, text=True, timeout=300)
    if run.returncode == NONE_CAN_RUN and not os.environ.get(REQUIRED):
        SKIPPED.append(f"Containers are not tested: {run.stderr.strip()}")
        pytest.skip("no container engine")
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def exported(lines: str) -> dict[str, str]:
    """Return the environment variables that a shell has after it ran ``lines``."""
    script = f"{lines}\nenv -0"
    pairs = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    lines = asked("start", dict(os.environ))
    environment = exported(lines)
    try:
        asked("base", environment)
        yield Docker(
            {name: environment[name] for name in shlex.split("PATH DOCKER_HOST DOCKER_CONFIG") if name in environment}
        )
    finally:
        if lines != ":":  # it was not there before
            asked("stop", environment)


@pytest.fixture(scope="session")
def image(docker: Docker) -> str:
    """Build the server's image and return the builder's output."""
    return docker.build()


@pytest.fixture(scope="module")
def server(docker: Docker, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The server as `docker compose up` starts it, with nothing in .env but the port."""
    with project(docker, tmp_path_factory.mktemp("served")) as served:
        served.up()
        yield served
