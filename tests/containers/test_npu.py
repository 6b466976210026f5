"""The NPU's side: kernel folders from an image, and the override with a node that is no NPU.

Compilers and device are stand-ins: nothing here says anything of the real ones.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.docker import FILES, IMAGE, Docker, Project, project
from tests.containers.toolchain import wheels

KERNELS = f"{IMAGE}-kernels"

pytestmark = pytest.mark.containers


@pytest.fixture(scope="module")
def kernels(docker: Docker, image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the image of kernel folders with programs that stand in for the compilers, and return its name."""
    folder = wheels(tmp_path_factory.mktemp("wheels"))
    docker.build("kernels", files=FILES, WHEELS=str(folder))
    return KERNELS


@pytest.fixture(scope="module")
def npu(docker: Docker, kernels: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The server started with compose.npu.yaml, and with /dev/null in place of the NPU's device node."""
    docker.build("server", files=FILES)
    folder = tmp_path_factory.mktemp("npu")
    with project(docker, folder, "compose.npu.yaml", NPU_DEVICE="/dev/null", RENDER_GID="992") as served:
        served.up()
        yield served


def test_the_image_holds_the_artefacts_and_nothing_else(docker: Docker, kernels: str) -> None:
    container = docker("create", kernels, "none").strip()
    try:
        exported = docker.exported(container)
    finally:
        docker("rm", container)
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        names = {name for name in tar.getnames() if name.startswith("npu1/")}
        for overlay in ("mel_80", "mel_128", "encoder"):
            assert f"npu1/{overlay}/kernel.xclbin" in names
            manifest = json.load(tar.extractfile(f"npu1/{overlay}/manifest.json"))  # type: ignore[arg-type]
            assert manifest["design"] == overlay
        left = {name.split("/")[0] for name in tar.getnames()}
    assert left - {"npu1"} <= {".dockerenv", "dev", "etc", "proc", "sys"}, "what docker puts into every container"


def test_without_the_wheels_it_says_what_is_missing(docker: Docker, image: str, tmp_path: Path) -> None:
    refused = docker.tried("build", "--build-arg", f"SERVER={IMAGE}", "--file", "docker/kernels.Dockerfile", "docker")
    assert refused.returncode != 0
    assert "no match: /wheels/mlir_aie-*.whl" in refused.stderr


def test_status_names_why_the_cpu_serves(npu: Project) -> None:
    stages = {stage["stage"]: stage for stage in npu.status()["stages"]}
    for stage in ("mel", "encoder"):
        assert stages[stage]["device"] == "cpu"
        assert re.search("XRT opens no NPU number 0|of memory may be locked", stages[stage]["reason"])


def test_the_real_pyxrt_is_asked_and_says_that_the_node_is_no_npu(docker: Docker, npu: Project) -> None:
    """With the capability that lifts the limit of locked memory, which this machine may not allow to be raised."""
    lifted = ("--user", "0", "--cap-add", "IPC_LOCK", "--device", "/dev/null:/dev/accel/accel0")
    report = json.loads(docker("run", "--rm", *lifted, f"{IMAGE}:npu", "doctor", "--stages", "--json"))
    details = {check["name"]: check["detail"] for check in report["checks"]}
    assert details["npu driver"] == "unknown: /sys says nothing of the device"
    assert "no NPU: XRT opens no NPU number 0 (No such device with index '0')" in details["stage mel"]


def test_device_group_and_limit_arrive(npu: Project) -> None:
    assert npu.run_in("ls", "/dev/accel").split() == ["accel0"]
    assert "992" in npu.run_in("id", "-G").split()
    assert npu.run_in("sh", "-c", "ulimit -Hl").strip() == str(int(npu.settings["MEMLOCK"]) // 1024)


def test_the_images_kernels_are_found_whole_and_of_this_version(npu: Project) -> None:
    report = json.loads(npu.run_in("whisperx-npu", "doctor", "--json"))
    (check,) = [check for check in report["checks"] if check["name"] == "npu kernels"]
    assert check["state"] == "ok", check
    assert "mel_80, mel_128, encoder in /usr/local/share/whisperx-npu/kernels" in check["detail"]


def test_the_usual_image_built_after_it_has_no_kernels(docker: Docker, npu: Project) -> None:
    docker.build()
    folder = "/usr/local/share/whisperx-npu/kernels"
    assert docker("run", "--rm", "--entrypoint", "find", IMAGE, folder, "-type", "f") == ""


def test_without_the_device_the_override_does_not_start(docker: Docker, kernels: str, tmp_path: Path) -> None:
    with project(docker, tmp_path, "compose.npu.yaml", NPU_DEVICE="/dev/accel/none", RENDER_GID="992") as served:
        run = served.compose("up", "--detach", "--no-build", check=False)
        assert run.returncode != 0
        assert "/dev/accel/none" in run.stderr


def test_without_the_group_compose_says_what_to_set(docker: Docker) -> None:
    files = [part for file in FILES for part in ("--file", file)]
    refused = docker.tried("compose", "--env-file", "/dev/null", *files, "config", "--quiet")
    assert refused.returncode != 0
    assert "Set RENDER_GID in .env to the group of the NPU, see .env.example" in refused.stderr
    docker("compose", "--env-file", "/dev/null", "--file", FILES[0], "config", "--quiet")
