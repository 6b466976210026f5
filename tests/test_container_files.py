"""The image files, the compose files and .env.example agree with each other and with the settings."""

from __future__ import annotations

import json
import re
from pathlib import Path

from docs.generate import SET_BY_THE_IMAGE
from server.settings.load import ENV_PREFIX
from tests.test_lock import pinned

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = (ROOT / ".env.example").read_text()
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
OF_THE_IMAGE = {
    "server.host": "0.0.0.0",  # noqa: S104  compared, not bound
    "server.port": "9000",
    "auth.keys_file": "${API_KEYS_FILE:+/run/secrets/api_keys}",
    "diarize.hf_token_file": "${HF_TOKEN_FILE:+/run/secrets/hf_token}",
    "model.cache_dir": "/models",
}


def compose() -> str:
    return "".join((ROOT / name).read_text() for name in ("compose.yaml", "compose.npu.yaml"))


def example() -> dict[str, str]:
    lines = re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE)
    assert len(dict(lines)) == len(lines), "twice"
    return dict(lines)


def test_the_image_sets_what_the_example_leaves_out() -> None:
    assert tuple(OF_THE_IMAGE) == SET_BY_THE_IMAGE
    for name, value in OF_THE_IMAGE.items():
        variable = f"{ENV_PREFIX}{name.replace('.', '__')}".upper()
        assert re.search(rf"{variable}[:=] ?\"?{re.escape(value)}", DOCKERFILE + compose()), name


def test_the_example_has_every_variable_of_the_compose_files_with_its_default() -> None:
    asked = re.findall(r"\$\{([A-Z_]+)(?::-((?:\$\{[^}]*\}|[^{}])*))?", compose())
    shown = {name: value for name, value in example().items() if not name.startswith(ENV_PREFIX)}
    assert {name for name, _ in asked} == shown.keys() - {"COMPOSE_FILE", "FORWARDED_ALLOW_IPS"}, (
        "the latter is uvicorn's"
    )
    for name, default in asked:
        files = ("API_KEYS_FILE", "HF_TOKEN_FILE", "EXTRA_CA_FILE")  # shown with a name for them
        if default and name not in files:
            assert shown[name] == default.replace("${IMAGE:-whisperx-npu}", "whisperx-npu"), name


def test_one_uv_for_the_image_and_for_here() -> None:
    here = re.search(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    image = re.search(r"^ARG UV_VERSION=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert here
    assert image
    assert here[1] == image[1]


def test_the_cpu_builds_of_pytorch_are_of_the_locks_versions() -> None:
    builds = re.findall(r"^(\w+)==(\S+)\+cpu$", (ROOT / "docker" / "torch-cpu.txt").read_text(), re.MULTILINE)
    locked = {requirement.name: str(requirement.specifier) for requirement, _ in pinned("requirements.lock").values()}
    assert {name for name, _ in builds} == {"torch", "torchaudio"}
    assert all(locked[name] == f"=={version}" for name, version in builds)


def test_the_image_gets_every_package_of_the_wheel() -> None:
    wheel = re.search(r"^packages = (\[\"server\".*\])$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert wheel
    for name in json.loads(wheel[1]):
        assert re.search(rf"^COPY {name} {name}$", DOCKERFILE, re.MULTILINE)
        assert f"!{name}\n" in (ROOT / "docker" / "Dockerfile.dockerignore").read_text()
