from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from npu.kernel_folders import Folders
from tests.cli.conftest import CommandLine


def checks(cli: CommandLine, *arguments: str | Path, status: int = 0) -> dict[str, Any]:
    result = cli("doctor", "--json", *arguments)
    assert result.exit_code == status, result.stderr
    report = json.loads(result.stdout)
    assert report["can_serve"] == (status == 0)
    return {check["name"]: check for check in report["checks"]}


@pytest.mark.usefixtures("no_network")
def test_a_machine_that_can_serve(cli: CommandLine, tiny_multilingual: Path) -> None:
    found = checks(cli, "--model", tiny_multilingual)
    assert {"python", "packages", "cpu", "memory", "default model", "model cache", "network", "port"} <= set(found)
    assert found["default model"]["state"] == "ok"
    assert str(tiny_multilingual) in found["default model"]["detail"]
    assert "ctranslate2" in found["packages"]["detail"]
    assert "cores" in found["cpu"]["detail"]


def test_lines_name_the_cure_of_what_is_missing(cli: CommandLine, tiny_multilingual: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"npu:\n  device: {tmp_path}/accel0\n")
    result = cli("doctor", "--model", tiny_multilingual, "--config", config)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any(line.startswith("missing npu device") and f"there is no {tmp_path}/accel0" in line for line in lines)
    for line in lines:
        assert line.startswith("ok ") or " -> " in line


def test_without_its_model_it_cannot_serve(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPERX_NPU_MODEL__MISSING", "refuse")
    found = checks(cli, "--model", "large-v3", status=1)
    assert found["default model"]["state"] == "fatal"
    assert "whisperx-npu models pull large-v3" in found["default model"]["cure"]


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("missing", "online", "state", "then"),
    [
        ("pull", True, "missing", "serve pulls it"),
        ("pull_or_demo", True, "missing", "serve pulls it, or serves the demo where no source answers"),
        ("pull", False, "fatal", "serve cannot pull it, the network is off"),
        ("pull_or_demo", False, "missing", "serve serves the demo, the network is off"),
    ],
)
def test_what_serve_will_do_about_a_missing_model(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, missing: str, online: bool, state: str, then: str
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", not online)
    monkeypatch.setenv("WHISPERX_NPU_MODEL__MISSING", missing)
    found = checks(cli, "--model", "large-v3", "--stages", status=state == "fatal")
    check = found["default model"]
    assert check["state"] == state
    assert check["detail"] == f"large-v3 is not installed; model.missing is {missing}: {then}"
    assert "pull" in check["cure"]


def test_a_required_npu_that_is_not_there(
    cli: CommandLine, tiny_multilingual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERX_NPU_NPU__MODE", "required")
    monkeypatch.setenv("WHISPERX_NPU_NPU__DEVICE", str(tmp_path / "accel0"))
    assert checks(cli, "--model", tiny_multilingual, status=1)["npu device"]["state"] == "fatal"


def test_an_npu_that_is_not_wanted(cli: CommandLine, tiny_multilingual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPERX_NPU_NPU__MODE", "off")
    found = checks(cli, "--model", tiny_multilingual)
    assert found["npu"]["detail"] == "npu.mode is off"
    assert "pyxrt" not in found


def test_a_port_in_use(cli: CommandLine, tiny_multilingual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setenv("WHISPERX_NPU_SERVER__PORT", str(port))
        found = checks(cli, "--model", tiny_multilingual)
    assert found["port"]["state"] == "missing"
    assert found["port"]["detail"] == f"127.0.0.1:{port}: Address already in use"


def test_a_cache_that_is_a_file(
    cli: CommandLine, tiny_multilingual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WHISPERX_NPU_MODEL__CACHE_DIR", str(tmp_path / "file" / "models"))
    assert "model.cache_dir" in checks(cli, "--model", tiny_multilingual)["model cache"]["cure"]


def test_an_installed_model_that_is_damaged(cli: CommandLine, tiny_multilingual: Path, tmp_path: Path) -> None:
    installed = tmp_path / "cache" / "models" / "someone--broken"
    shutil.copytree(tiny_multilingual, installed)
    (installed / "tokenizer.json").unlink()
    broken = checks(cli, "--model", tiny_multilingual)["model someone/broken"]
    assert broken["state"] == "missing"
    assert "tokenizer.json is missing" in broken["detail"]


@pytest.mark.usefixtures("no_network")
def test_offline_is_said(cli: CommandLine, tiny_multilingual: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPERX_NPU_MODEL__OFFLINE", "true")
    assert checks(cli, "--model", tiny_multilingual)["network"]["detail"].startswith("off")


def test_kernel_folders_are_read(
    cli: CommandLine, tiny_multilingual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERX_NPU_NPU__KERNELS", str(tmp_path))
    found = checks(cli, "--model", tiny_multilingual)["npu kernels"]
    assert (found["state"], found["detail"]) == ("missing", f"there is no kernel folder mel_80 in {tmp_path}/npu1")
    assert f"kernels build --output-dir {tmp_path}" in found["cure"]
    (tmp_path / "npu1" / "mel_80").mkdir(parents=True)
    assert "manifest.json" in checks(cli, "--model", tiny_multilingual)["npu kernels"]["detail"]


def test_kernel_folders_of_the_system_are_found(
    cli: CommandLine, tiny_multilingual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulated_kernels: Path
) -> None:
    """The folder of one overlay stands for each."""
    one = Folders(tmp_path, "host", simulated_kernels).mel(80)
    monkeypatch.setattr("npu.kernel_folders.overlay_sha256", lambda _design: one.manifest.overlay_sha256)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "usr"))
    own, system = (tmp_path / part / "whisperx-npu/kernels/npu1" for part in ("home", "usr"))
    for place, name in ((own, "mel_80"), (system, "mel_128"), (system, "encoder")):
        place.mkdir(parents=True, exist_ok=True)
        (place / name).symlink_to(one.path)
    found = checks(cli, "--model", tiny_multilingual)["npu kernels"]
    assert (found["state"], found["detail"]) == ("ok", f"mel_80 in {own}; mel_80, mel_80 in {system}")


def test_stages_are_loaded_on_demand(
    cli: CommandLine, tiny_multilingual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulated_kernels: Path
) -> None:
    assert {"stage mel", "mel filters"}.isdisjoint(checks(cli, "--model", tiny_multilingual))
    monkeypatch.setenv("WHISPERX_NPU_NPU__DEVICE", str(tmp_path / "accel0"))
    found = checks(cli, "--stages", "--model", tiny_multilingual)
    assert found["stage mel"]["detail"] == f"cpu; no NPU: there is no {tmp_path}/accel0"
    assert found["mel filters"]["state"] == "ok"
    monkeypatch.setenv("WHISPERX_NPU_NPU__MODE", "simulated")
    monkeypatch.setenv("XDG_CACHE_HOME", str(simulated_kernels))
    found = checks(cli, "--stages", "--model", tiny_multilingual)
    assert found["stage mel"]["detail"].startswith("npu (simulated); ")
    assert "largest difference 0" in found["npu self-test"]["detail"]
