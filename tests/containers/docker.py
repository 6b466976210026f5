"""Docker's command line, and a compose project with its own .env, volumes and port."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "whisperx-npu-test"
HEALTHY_SECONDS = 120
BUILD_SECONDS = 1_500
FILES = ("compose.yaml", "compose.npu.yaml")
# set in the shell of whoever runs the tests, they would come before those of a test's .env
VARIABLES = {name for file in FILES for name in re.findall(r"\$\{([A-Z_]+)", (ROOT / file).read_text())}


@dataclass(frozen=True)
class Docker:
    """Docker's command line for a running engine; ``environment`` has the variables that it needs."""

    environment: Mapping[str, str]

    def __call__(self, *arguments: str, seconds: float = 300) -> str:
        """Run a docker command and return its standard output. Raises AssertionError with all output if it fails."""
        run = self.tried(*arguments, seconds=seconds)
        assert run.returncode == 0, f"docker {shlex.join(arguments)}\n{run.stdout[-4_000:]}{run.stderr[-8_000:]}"
        return run.stdout

    def tried(
        self, *arguments: str, seconds: float = 300, cwd: Path = ROOT, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        environment = {**inherited, **self.environment, **(variables or {})}
        return subprocess.run(
            ["docker", *arguments], env=environment, cwd=cwd, capture_output=True, text=True, timeout=seconds
        )

    def gateway(self) -> str:
        """Return the address under which containers reach this machine."""
        return self("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()

    def exported(self, container: str) -> bytes:
        """Return the files of a container as a tar archive."""
        command = ["docker", "export", container]
        return subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True, check=True).stdout

    def build(self, *services: str, files: Iterable[str] = ("compose.yaml",), **variables: str) -> str:
        """Build the images of the services, and return the output of the builder."""
        named = [part for file in files for part in ("--file", file)]
        bundle = os.environ.get("SSL_CERT_FILE", "/dev/null")
        values = {
            "IMAGE": IMAGE,
            "EXTRA_CA_FILE": bundle,
            "RENDER_GID": "992",
            "BUILDKIT_PROGRESS": "plain",
        } | variables
        command = ("compose", "--env-file", "/dev/null", *named, "build", *services)
        run = self.tried(*command, seconds=BUILD_SECONDS, variables=values)
        assert run.returncode == 0, run.stdout[-4_000:] + run.stderr[-8_000:]
        return run.stdout + run.stderr


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Project:
    """A compose project as a user has it: a folder with a .env, and the compose files of this repository."""

    docker: Docker
    folder: Path
    files: tuple[str, ...] = ("compose.yaml",)
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = f"test-{self.folder.name.lower().replace('_', '-')}"
        self.port = free_port()
        memlock = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
        self.settings = {"IMAGE": IMAGE, "PORT": str(self.port), "MEMLOCK": str(memlock)} | self.settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def compose(self, *arguments: str, check: bool = True, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        lines = [f"{name}={value}\n" for name, value in self.settings.items()]
        (self.folder / ".env").write_text("".join(lines))
        named = [part for file in self.files for part in ("--file", str(ROOT / file))]
        run = self.docker.tried(
            "compose",
            "--project-name",
            self.name,
            "--project-directory",
            str(self.folder),
            *named,
            *arguments,
            seconds=seconds,
            cwd=self.folder,
        )
        assert not check or run.returncode == 0, run.stdout[-4_000:] + run.stderr[-8_000:] + self.log()
        return run

    def up(self, *, healthy: bool = True) -> None:
        """Start the project as a user does; with ``healthy``, wait until docker reports it as healthy."""
        self.compose("up", "--detach", "--no-build", *(["--wait"] if healthy else []), seconds=HEALTHY_SECONDS)

    def down(self) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "20", check=False)

    def log(self) -> str:
        run = self.docker.tried("compose", "--project-name", self.name, "logs", "--no-color", "--no-log-prefix")
        return run.stdout + run.stderr

    def run_in(self, *command: str) -> str:
        """Run a command in the server's container, and return its standard output."""
        return self.compose("exec", "-T", "server", *command).stdout

    def inspected(self) -> dict[str, Any]:
        container = self.compose("ps", "--all", "--quiet", "server").stdout.strip()
        (described,) = json.loads(self.docker("inspect", container))
        return dict(described)

    def status(self) -> dict[str, Any]:
        return dict(httpx2.get(f"{self.url}/v1/status").json())

    def waited_for(self, what: str) -> str:
        """Wait until the log contains ``what``, and return the log."""
        end = time.monotonic() + HEALTHY_SECONDS
        while what not in (log := self.log()):
            assert time.monotonic() < end, log
            time.sleep(0.2)
        return log


@contextmanager
def project(docker: Docker, folder: Path, *files: str, **settings: str) -> Iterator[Project]:
    """Context manager of a compose project, which the caller starts; it is removed with its volumes at the end."""
    made = Project(docker, folder, ("compose.yaml", *files), settings)
    try:
        yield made
    finally:
        made.down()
