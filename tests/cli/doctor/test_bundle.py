"""The contents of `whisperx-npu doctor --bundle`, and the private data that must not be in it."""

from __future__ import annotations

import json
import socket
import stat
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kernels.package.folder import build
from npu.errors import NpuUnavailable
from npu.kernel_folders import Folders
from server.cli.doctor import npu_selftests
from server.cli.doctor.bundle import write_bundle
from server.settings.load import Settings
from server.settings.stages import NpuSettings
from tests.cli.conftest import CommandLine
from tests.kernels.array.scale import design, trial
from tests.npu.test_probe import Machine

PLANTED = {
    "user": "mallory",
    "host": "mallorys-thinkpad",
    "environment": "correct-horse-battery",
    "token in a file": "tok3n-of-a-file-9876",
    "token in a note": "hf_QwErTyUiOpAsDfGhJk",
    "password in an address": "pa55word",
    "a log of others": "usb 1-1: Product: Secret Gadget",
}


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        assert all(member.isreg() and not member.uname and not member.uid for member in archive)
        return {
            name.removeprefix("whisperx-npu/"): text for name in archive.getnames() if (text := _read(archive, name))
        }


def _read(archive: tarfile.TarFile, name: str) -> str:
    file = archive.extractfile(name)
    assert file
    return file.read().decode()


@pytest.fixture
def mallory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory of the user mallory, with the PLANTED secrets wherever a bundle might come across them."""
    home = tmp_path / "homes" / PLANTED["user"]
    (home / "bin").mkdir(parents=True)
    (home / "token").write_text(PLANTED["token in a file"] + "\n")
    log = f"[1.0] amdxdna 0000:c7:00.1: opened by {PLANTED['user']}\n[2.0] {PLANTED['a log of others']}\n"
    for program in ("dmesg", "dpkg-query"):
        path = home / "bin" / program
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{log if program == 'dmesg' else 'libxrt-npu2 1:2.25.0-4 ii'}\nEND\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(home / "bin"), prepend=":")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", PLANTED["user"])
    monkeypatch.setenv("OPENAI_API_KEY", PLANTED["environment"])
    monkeypatch.setenv("WHISPERX_NPU_DIARIZE__HF_TOKEN_FILE", str(home / "token"))
    monkeypatch.setenv("WHISPERX_NPU_NPU__KERNELS", str(home / "kernels"))
    monkeypatch.setenv("WHISPERX_NPU_DIARIZE__MODEL", str(home / "pyannote"))
    monkeypatch.setattr(socket, "gethostname", lambda: PLANTED["host"])
    return home


def test_planted_secrets_do_not_get_in(cli: CommandLine, mallory: Path, tiny_multilingual: Path) -> None:
    notes = mallory / "notes"
    notes.mkdir()
    (notes / f"{PLANTED['user']}.txt").write_text(
        f"{mallory}/launches, {PLANTED['host']}, {PLANTED['environment']}, {PLANTED['token in a file']}, "
        f"{PLANTED['token in a note']}, https://{PLANTED['user']}:{PLANTED['password in an address']}@example.org/"
    )
    out = mallory / "bundle.tar.gz"
    result = cli("doctor", "--model", tiny_multilingual, "--bundle", out, "--attach", notes)
    assert result.exit_code == 0, result.stderr
    assert "Look into it before you send it." in result.stderr
    found = contents(out)
    everything = "\n".join([*found, *found.values()])
    for what, planted in PLANTED.items():
        assert planted not in everything, what
    assert str(mallory) not in everything
    assert found["attached/(user).txt"].startswith(
        "~/launches, (host), (secret), (secret), (secret), https://(secret)@"
    )
    assert "amdxdna 0000:c7:00.1: opened by (user)" in found["dmesg.txt"]
    assert json.loads(found["settings.json"])["diarize"] == {"model": "~/pyannote", "hf_token_file": "(secret)"}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_what_it_holds(cli: CommandLine, mallory: Path, tiny_multilingual: Path) -> None:
    out = mallory / "bundle.tar.gz"
    result = cli("doctor", "--json", "--model", tiny_multilingual, "--bundle", out)
    found = contents(out)
    data: dict[str, Any] = {name: json.loads(text) for name, text in found.items() if name.endswith(".json")}
    names = [check["name"] for check in json.loads(result.stdout)["checks"]]
    assert [check["name"] for check in data["doctor.json"]["checks"]] == names
    assert data["packages.json"]["system"] == ["libxrt-npu2 1:2.25.0-4 ii"]
    assert {"whisperx-npu", "ctranslate2", "tokenizers"} <= data["packages.json"]["python"].keys()
    assert data["machine.json"]["python"] == sys.version
    assert data["selftests.json"]["reason"] == "there are no kernel folders in ~/kernels/npu1"
    for line in found["README.txt"].splitlines()[3:]:
        name = line.split()[0]
        assert name == "attached/" or any(one.startswith(name) for one in found), name


def test_the_driver_and_the_kernel_folders(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "root")
    machine.write("sys/module/amdxdna/version", "0.1\n")
    machine.write("sys/module/amdxdna/parameters/tdr_timeout_ms", "2000\n")
    machine.write("sys/module/snd/parameters/index", "1\n")
    for target in ("npu1", "host"):
        build(design(), trial(), tmp_path / "kernels" / target / "scale")
    (tmp_path / "kernels" / "npu1" / "scale" / "kernel.xclbin").write_bytes(
        b"version https://git-lfs.github.com/spec/v1"
    )
    settings = Settings.model_validate(
        {"npu": {"mode": "off", "device": machine.node, "kernels": tmp_path / "kernels"}}
    )
    names = write_bundle(tmp_path / "b.tar.gz", settings, {}, root=machine.root)
    found = contents(tmp_path / "b.tar.gz")
    assert set(names) == set(found)
    driver = json.loads(found["npu.json"])
    assert driver["amdxdna"] == {"version": "0.1", "srcversion": "", "parameters": {"tdr_timeout_ms": "2000"}}
    assert driver[str(machine.node)] == {
        "place": "0000:c7:00.1",
        "driver": "amdxdna",
        "vbnv": "RyzenAI-npu1",
        "fw_version": "1.5.5.391",
    }
    folders = json.loads(found["kernels/folders.json"])
    assert folders["host/scale"] == "whole"
    assert "Git LFS pointer" in folders["npu1/scale"]
    assert json.loads(found["kernels/npu1/scale.json"])["design"] == "scale"
    assert json.loads(found["selftests.json"]) == {"reason": "npu.mode is off"}


@pytest.mark.parametrize("content", [b"RIFF\xff\xfb\x90\x00", None])
def test_audio_and_what_is_not_there_cannot_be_attached(
    cli: CommandLine, mallory: Path, tiny_multilingual: Path, content: bytes | None
) -> None:
    recording = mallory / "private.wav"
    if content:
        recording.write_bytes(content)
    out = mallory / "bundle.tar.gz"
    result = cli("doctor", "--model", tiny_multilingual, "--bundle", out, "--attach", recording)
    assert result.exit_code == 2
    assert "private.wav cannot be attached" in result.stderr
    assert not out.exists()


def test_a_file_that_is_there_is_left_alone(cli: CommandLine, mallory: Path, tiny_multilingual: Path) -> None:
    out = mallory / "thesis.tar.gz"
    out.write_text("years of work")
    result = cli("doctor", "--model", tiny_multilingual, "--bundle", out)
    assert result.exit_code == 2
    assert "cannot be written: File exists" in result.stderr
    assert out.read_text() == "years of work"


def test_nothing_to_attach_to(cli: CommandLine, tmp_path: Path) -> None:
    result = cli("doctor", "--attach", tmp_path)
    assert result.exit_code == 2
    assert "--bundle" in result.stderr


def test_self_tests_that_hang_or_die_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(script))
    for body, said in (("exec sleep 60", "did not end in 0 s"), ("echo lost >&2; kill -SEGV $$", "status -11: lost")):
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        assert said in npu_selftests.run_selftests(NpuSettings.model_validate({}), longest_s=0.3)["reason"]


def test_a_self_test_that_cannot_run_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_npu(*_: object, **__: object) -> None:
        raise NpuUnavailable("there is no NPU", "buy one")

    monkeypatch.setattr(npu_selftests, "open_npu", no_npu)
    (tmp_path / "npu1" / "mel_80").mkdir(parents=True)
    found = npu_selftests._run(Path("/dev/accel/accel0"), Folders(tmp_path))
    assert found == {"mel_80": {"failed": "there is no NPU", "cure": "buy one"}}


@pytest.mark.slow
def test_self_tests_on_the_simulated_npu(tmp_path: Path) -> None:
    from kernels.registry import ENTRIES

    for name in ("mel_80", "encoder"):
        build(ENTRIES[name].make(()), ENTRIES[name].trial(), tmp_path / "host" / name)
    (tmp_path / "host" / "unheard_of").mkdir()
    found = npu_selftests.run_selftests(NpuSettings.model_validate({"mode": "simulated", "kernels": tmp_path}))
    assert found.keys() == {"mel_80", "encoder", "unheard_of"}
    assert "relative 0 of" in found["mel_80"]["passed"]
    assert len(found["encoder"]["ms"]) == npu_selftests.REPEATS
    assert found["unheard_of"] == {"failed": "this version has no such overlay"}
