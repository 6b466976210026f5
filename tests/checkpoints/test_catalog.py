from __future__ import annotations

import gc
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread
from typing import NoReturn

import ctranslate2
import huggingface_hub.constants
import pytest

from server.checkpoints.catalog import Catalog
from server.checkpoints.sources import hub
from server.checkpoints.sources.record import RECORD, read_record
from server.checkpoints.sources.table import KnownFile, KnownModel, KnownModels
from server.errors import HubUnreachable, InvalidInput, ModelNotFound, ModelUnavailable
from server.settings.stages import ModelSettings
from tests.hub import REVISION, LocalHub

REPOSITORY = "someone/tiny-whisper"


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


def catalog(cache_dir: Path, name: str = "demo", *, offline: bool = False, demo: Path | None = None) -> Catalog:
    settings = ModelSettings(name=name, cache_dir=cache_dir, offline=offline)
    return Catalog(settings, demo or cache_dir / "no-demo-here")


def put(model: Path, cache_dir: Path, repository: str) -> Path:
    """Install ``model`` in the cache under the id ``repository``, as if it had been downloaded."""
    return Path(shutil.copytree(model, cache_dir / repository.replace("/", "--")))


def test_names_of_one_model(cache_dir: Path) -> None:
    models = catalog(cache_dir)
    assert models.canonical("demo") == "demo"
    assert models.canonical("whisper-1") == "demo"
    assert models.canonical("turbo") == models.canonical("large-v3-turbo") == "large-v3-turbo"
    assert models.canonical("Systran/faster-whisper-tiny") == models.canonical("tiny") == "tiny"
    assert models.canonical("openai/whisper-tiny") == "openai/whisper-tiny"


def test_every_whisper_name_is_known(cache_dir: Path) -> None:
    from faster_whisper import available_models

    for name in available_models():
        with pytest.raises(ModelUnavailable, match="whisperx-npu models pull"):
            catalog(cache_dir).resolve(name)


@pytest.mark.parametrize(
    "name",
    ["", "nonsense", "a/b/c", "a/../../etc", "../etc/x", "/etc", "~/x", "a--b/c", "a/b\0", "a/b\n", "ä/b", "-/-"],
)
def test_a_request_cannot_name_a_path(cache_dir: Path, name: str, tiny_multilingual: Path) -> None:
    models = catalog(cache_dir, demo=tiny_multilingual)
    if not name:
        assert models.resolve_request(name) == "demo"
        return
    with pytest.raises(ModelNotFound) as raised:
        models.resolve_request(name)
    assert raised.value.param == "model"


def test_a_request_cannot_name_a_directory_that_exists(
    cache_dir: Path, tiny_multilingual: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_multilingual.parents[1])
    relative = f"{tiny_multilingual.parent.name}/{tiny_multilingual.name}"
    models = catalog(cache_dir)
    assert models.resolve(relative) == tiny_multilingual
    with pytest.raises(ModelNotFound, match="is not installed"):
        models.resolve_request(relative)
    with pytest.raises(ModelNotFound):
        models.resolve_request(str(tiny_multilingual))


def test_what_a_request_may_name(cache_dir: Path, tiny_multilingual: Path) -> None:
    put(tiny_multilingual, cache_dir, "Systran/faster-whisper-tiny")
    put(tiny_multilingual, cache_dir, REPOSITORY)
    models = catalog(cache_dir, name="tiny")
    assert models.resolve_request(None) == "tiny"
    assert models.resolve_request("whisper-1") == "tiny"
    assert models.resolve_request("Systran/faster-whisper-tiny") == "tiny"
    assert models.resolve_request(REPOSITORY) == REPOSITORY
    with pytest.raises(ModelNotFound, match=r"`whisperx-npu models pull large-v3`"):
        models.resolve_request("large-v3")


def test_a_local_directory_as_default(cache_dir: Path, tiny_multilingual: Path) -> None:
    models = catalog(cache_dir, name=str(tiny_multilingual))
    identity = tiny_multilingual.name
    assert models.default == models.resolve_request(None) == models.resolve_request("whisper-1") == identity
    assert models.resolve(identity) == models.resolve("whisper-1") == tiny_multilingual
    entry = models.entries()[0]
    assert (entry.id, entry.path, entry.multilingual, entry.demo) == (identity, tiny_multilingual, True, False)


def test_a_local_directory_that_is_not_there(cache_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="nowhere does not exist"):
        catalog(cache_dir).resolve(str(tmp_path / "nowhere"))


def test_entries(cache_dir: Path, tiny_multilingual: Path, tiny_english: Path) -> None:
    put(tiny_multilingual, cache_dir, REPOSITORY)
    broken = put(tiny_multilingual, cache_dir, "someone/broken")
    (broken / "tokenizer.json").unlink()
    (cache_dir / ".partial" / "someone--half").mkdir(parents=True)
    (cache_dir / "notes").mkdir()
    entries = {entry.id: entry for entry in catalog(cache_dir, demo=tiny_english).entries()}
    assert list(entries) == ["demo", "someone/broken", REPOSITORY]
    assert (entries["demo"].demo, entries["demo"].multilingual) == (True, False)
    whole = entries[REPOSITORY]
    files = [path.stat() for path in whole.path.iterdir()]
    assert whole.bytes == sum(file.st_size for file in files)
    assert whole.created == int(max(file.st_mtime for file in files))
    assert (whole.demo, whole.multilingual, whole.problem) == (False, True, None)
    assert "tokenizer.json is missing" in (entries["someone/broken"].problem or "")


def test_remove(cache_dir: Path, tiny_multilingual: Path) -> None:
    put(tiny_multilingual, cache_dir, REPOSITORY)
    models = catalog(cache_dir, name=str(tiny_multilingual))
    models.remove(REPOSITORY)
    assert [entry.id for entry in models.entries()] == [tiny_multilingual.name]
    assert not list((cache_dir / ".partial").iterdir())
    with pytest.raises(ModelNotFound, match="not installed"):
        models.remove(REPOSITORY)
    for mine in ("demo", str(tiny_multilingual), "whisper-1"):
        with pytest.raises(InvalidInput, match="not the catalogue's to delete"):
            models.remove(mine)
    assert tiny_multilingual.is_dir()


def test_a_transformers_checkpoint_is_converted_once(cache_dir: Path, tiny_hf: Path, no_network: None) -> None:
    models = catalog(cache_dir, name=str(tiny_hf))
    converted = models.resolve(models.default)
    assert converted.is_relative_to(cache_dir)
    assert ctranslate2.models.Whisper(str(converted)).is_multilingual
    made = (converted / "model.bin").stat().st_mtime_ns
    assert models.resolve(str(tiny_hf)) == converted
    assert (converted / "model.bin").stat().st_mtime_ns == made


def test_a_changed_checkpoint_is_converted_again(cache_dir: Path, tiny_hf: Path) -> None:
    models = catalog(cache_dir)
    before = models.resolve(str(tiny_hf))
    os.utime(tiny_hf / "model.safetensors", ns=(0, time.time_ns()))
    after = models.resolve(str(tiny_hf))
    assert after != before
    assert after.is_dir()
    assert not before.exists()


def test_damaged_weights_are_not_converted(cache_dir: Path, tiny_hf: Path) -> None:
    weights = tiny_hf / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    models = catalog(cache_dir)
    with pytest.raises(ModelUnavailable, match="tiny-hf cannot be converted"):
        models.resolve(str(tiny_hf))
    assert not list((cache_dir / ".converted").glob("*"))


def test_two_processes_convert_the_same_checkpoint_and_look_nothing_up(cache_dir: Path, tiny_hf: Path) -> None:
    program = (
        "import socket, sys\n"
        "socket.getaddrinfo = socket.socket.connect = None  # a look-up ends in a TypeError\n"
        "from pathlib import Path\n"
        "from server.checkpoints.catalog import Catalog\n"
        "from server.settings.stages import ModelSettings\n"
        "print(Catalog(ModelSettings(cache_dir=Path(sys.argv[1]))).resolve(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, str(cache_dir), str(tiny_hf)]
    online = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=online) for _ in range(2)]
    answers = [process.communicate(timeout=120)[0].strip() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert answers[0] == answers[1]
    assert [str(path) for path in (cache_dir / ".converted").iterdir()] == answers[:1]
    ctranslate2.models.Whisper(answers[0])


def test_an_unwritable_cache_names_the_setting(cache_dir: Path, tiny_hf: Path) -> None:
    cache_dir.parent.mkdir(exist_ok=True)
    cache_dir.write_text("a file where the directory should be")
    with pytest.raises(ModelUnavailable, match=r"model\.cache_dir"):
        catalog(cache_dir).resolve(str(tiny_hf))


def test_pull_and_use(cache_dir: Path, tiny_multilingual: Path, local_hub: LocalHub) -> None:
    local_hub.repositories["Systran/faster-whisper-base.en"] = tiny_multilingual
    models = catalog(cache_dir, name="base.en")
    seen: list[tuple[int, int]] = []
    path = models.pull("base.en", lambda done, total: seen.append((done, total)))
    total = sum(file.stat().st_size for file in tiny_multilingual.iterdir())
    assert seen[-1] == (total, total)
    assert models.resolve("base.en") == path
    assert {file.name for file in path.iterdir()} == {file.name for file in tiny_multilingual.iterdir()} | {RECORD}
    ctranslate2.models.Whisper(str(path))
    asked = local_hub.requests
    assert models.pull("base.en") == path
    assert local_hub.requests == asked


def test_pull_takes_one_set_of_weights_and_converts(cache_dir: Path, tiny_hf: Path, local_hub: LocalHub) -> None:
    for unwanted in ("pytorch_model.bin", "README.md", "flax_model.msgpack"):
        (tiny_hf / unwanted).write_bytes(bytes(1000))
    local_hub.repositories[REPOSITORY] = tiny_hf
    path = catalog(cache_dir).pull(REPOSITORY)
    assert {"model.bin", "tokenizer.json", "vocabulary.json"} <= {file.name for file in path.iterdir()}
    assert not {"model.safetensors", "pytorch_model.bin", ".converted"} & {file.name for file in path.iterdir()}


def test_an_interrupted_pull_is_not_installed_and_goes_on(
    cache_dir: Path, tiny_multilingual: Path, local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 10_000)  # what is kept comes in chunks
    local_hub.repositories[REPOSITORY] = tiny_multilingual
    local_hub.break_after = 500_000  # only model.bin is larger
    models = catalog(cache_dir)
    with pytest.raises(ModelUnavailable, match=f"`whisperx-npu models pull {REPOSITORY}` again"):
        models.pull(REPOSITORY)
    assert models.entries() == []
    with pytest.raises(ModelUnavailable, match="is not installed"):
        models.resolve(REPOSITORY)
    before = local_hub.sent
    path = models.pull(REPOSITORY)
    assert models.resolve(REPOSITORY) == path
    assert (path / "model.bin").read_bytes() == (tiny_multilingual / "model.bin").read_bytes()
    assert local_hub.sent - before < (tiny_multilingual / "model.bin").stat().st_size
    assert len(local_hub.ranges) == 1


def test_a_pulled_model_that_is_not_whole_is_not_installed(
    cache_dir: Path, tiny_multilingual: Path, tmp_path: Path, local_hub: LocalHub
) -> None:
    remote = Path(shutil.copytree(tiny_multilingual, tmp_path / "remote"))
    (remote / "tokenizer.json").unlink()
    local_hub.repositories[REPOSITORY] = remote
    models = catalog(cache_dir)
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json is missing"):
        models.pull(REPOSITORY)
    assert models.entries() == []


def test_two_pulls_at_once(cache_dir: Path, tiny_multilingual: Path, local_hub: LocalHub) -> None:
    local_hub.repositories[REPOSITORY] = tiny_multilingual
    threads = [Thread(target=catalog(cache_dir).pull, args=(REPOSITORY,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert local_hub.sent == sum(file.stat().st_size for file in tiny_multilingual.iterdir())
    assert [entry.problem for entry in catalog(cache_dir).entries()] == [None]


def test_a_repository_that_is_not_there(cache_dir: Path, local_hub: LocalHub) -> None:
    with pytest.raises(ModelNotFound, match="has no model someone/typo"):
        catalog(cache_dir).pull("someone/typo")


def test_the_hub_is_asked_before_anything_is_pulled(
    cache_dir: Path, tiny_multilingual: Path, local_hub: LocalHub
) -> None:
    local_hub.repositories[REPOSITORY] = tiny_multilingual
    models = catalog(cache_dir)
    assert models.is_missing(REPOSITORY)
    models.ask(REPOSITORY)
    assert (local_hub.sent, models.is_missing(REPOSITORY)) == (0, True)
    with pytest.raises(ModelNotFound, match="has no model someone/typo"):
        models.ask("someone/typo")
    local_hub.gated = True
    for question in (models.ask, models.pull):
        with pytest.raises(ModelUnavailable, match=f"{REPOSITORY} is gated") as raised:
            question(REPOSITORY)
        assert not isinstance(raised.value, HubUnreachable)


def test_what_cannot_be_pulled_is_not_missing(cache_dir: Path, tiny_multilingual: Path, tmp_path: Path) -> None:
    models = catalog(cache_dir, name=str(tmp_path / "nowhere"))
    assert not models.is_missing("demo")
    assert not models.is_missing(str(tmp_path / "nowhere"))
    put(tiny_multilingual, cache_dir, REPOSITORY)
    assert not models.is_missing(REPOSITORY)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_full_disk_is_not_the_network(
    cache_dir: Path, tiny_multilingual: Path, local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    local_hub.repositories[REPOSITORY] = tiny_multilingual
    local_hub.break_after = 500_000
    models = catalog(cache_dir)
    with pytest.raises(HubUnreachable):
        models.pull(REPOSITORY)
    (kept,) = (file for file in cache_dir.rglob("*.incomplete") if file.stat().st_size)
    kept.unlink()
    kept.symlink_to("/dev/full")
    with pytest.raises(ModelUnavailable, match=r"No space left on device.*Free the disk") as raised:
        models.pull(REPOSITORY)
    assert not isinstance(raised.value, HubUnreachable)
    del raised
    gc.collect()  # huggingface_hub leaves its connection to the collector then
    kept.unlink()
    assert models.pull(REPOSITORY) == models.resolve(REPOSITORY)


def test_files_come_by_http_which_can_go_on_after_an_interruption(
    cache_dir: Path, tiny_multilingual: Path, local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", False)
    local_hub.repositories[REPOSITORY] = tiny_multilingual
    local_hub.xet = True
    models = catalog(cache_dir)
    assert models.pull(REPOSITORY) == models.resolve(REPOSITORY)


def test_a_repository_without_weights(cache_dir: Path, local_hub: LocalHub, tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote" / "README.md").write_text("no weights")
    local_hub.repositories[REPOSITORY] = tmp_path / "remote"
    with pytest.raises(ModelUnavailable, match="neither a CTranslate2 nor a transformers checkpoint"):
        catalog(cache_dir).pull(REPOSITORY)


def test_a_hub_that_cannot_be_reached(cache_dir: Path, local_hub: LocalHub) -> None:
    local_hub.shutdown()
    local_hub.server_close()
    with pytest.raises(ModelUnavailable, match="Check the network"):
        catalog(cache_dir).pull(REPOSITORY)
    assert local_hub.requests == 0


def test_a_hub_whose_name_hangs_is_given_up(
    cache_dir: Path, local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = Event()

    def hang(*_: object, **__: object) -> NoReturn:
        released.wait()
        raise OSError("this name is not known")

    monkeypatch.setattr(hub, "ASK_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    with pytest.raises(HubUnreachable, match="the Hugging Face Hub does not answer"):
        catalog(cache_dir).ask("tiny")
    assert time.monotonic() - began < 2
    released.set()


def test_a_known_file_that_differs_is_refused_and_fetched_again(
    cache_dir: Path, tiny_multilingual: Path, tmp_path: Path, local_hub: LocalHub
) -> None:
    known = known_by_hash(tiny_multilingual, "config.json", "model.bin")
    remote = local_hub.repositories[REPOSITORY] = Path(shutil.copytree(tiny_multilingual, tmp_path / "remote"))
    whole = (remote / "config.json").read_bytes()
    (remote / "config.json").write_bytes(whole[:-1] + b" }")
    models = Catalog(ModelSettings(name="demo", cache_dir=cache_dir), known=KnownModels([known]))
    with pytest.raises(ModelUnavailable, match=r"config\.json from the Hugging Face Hub is refused") as raised:
        models.pull("mine")
    assert not isinstance(raised.value, HubUnreachable)
    assert models.is_missing("mine")
    (remote / "config.json").write_bytes(whole)
    record = read_record(models.pull("mine"))
    assert record
    assert (record.verification, record.verified) == ("weights", ("config.json", "model.bin"))
    assert set(local_hub.revisions) == {"f" * 40}


def test_a_revision_that_the_hub_has_no_longer(cache_dir: Path, tiny_multilingual: Path, local_hub: LocalHub) -> None:
    local_hub.repositories["Systran/faster-whisper-tiny"] = tiny_multilingual
    revision = "d90ca5fe260221311c53c58e660288d3deb8d356"
    local_hub.withdrawn = {revision}
    models = catalog(cache_dir)
    for question in (models.ask, models.pull):
        with pytest.raises(ModelUnavailable, match="no longer has the known revision") as raised:
            question("tiny")
        assert not isinstance(raised.value, HubUnreachable)
    assert set(local_hub.revisions) == {revision}


def test_the_record_of_a_model_that_nobody_knows(cache_dir: Path, tiny_multilingual: Path, local_hub: LocalHub) -> None:
    local_hub.repositories[REPOSITORY] = tiny_multilingual
    local_hub.licence = "apache-2.0"
    models = catalog(cache_dir)
    record = read_record(models.pull(REPOSITORY))
    assert record
    assert (record.source, record.revision, record.licence, record.origin) == ("hub", REVISION, "apache-2.0", None)
    assert record.verification == "none"
    assert set(record.files) == {file.name for file in tiny_multilingual.iterdir()}
    (entry,) = models.entries()
    assert (entry.record, entry.licence) == (record, "apache-2.0")


@pytest.mark.parametrize("damage", [None, "{", "[]", "{}"])
def test_a_model_that_an_earlier_version_installed(
    cache_dir: Path, tiny_multilingual: Path, damage: str | None
) -> None:
    installed = put(tiny_multilingual, cache_dir, "Systran/faster-whisper-tiny")
    if damage is not None:
        (installed / RECORD).write_text(damage)
    models = catalog(cache_dir)
    assert models.resolve("tiny") == models.pull("tiny") == installed
    (entry,) = models.entries()
    assert (entry.problem, entry.record, entry.licence) == (None, None, "MIT")


def known_by_hash(model: Path, *names: str) -> KnownModel:
    files = (KnownFile(name, hashlib.sha256((model / name).read_bytes()).hexdigest()) for name in names)
    return KnownModel("mine", REPOSITORY, "MIT", "the tests", "f" * 40, tuple(files))


def test_offline_setting_forbids_every_look_up(cache_dir: Path, local_hub: LocalHub, no_network: None) -> None:
    models = catalog(cache_dir, offline=True)
    with pytest.raises(ModelUnavailable, match="the network is off"):
        models.pull("tiny")
    with pytest.raises(ModelUnavailable, match="is not installed"):
        models.resolve("tiny")
    with pytest.raises(ModelNotFound):
        models.resolve_request("tiny")
    assert models.entries() == []


def test_hf_hub_offline_forbids_every_look_up(cache_dir: Path, no_network: None) -> None:
    with pytest.raises(ModelUnavailable, match="unset HF_HUB_OFFLINE"):
        catalog(cache_dir).pull("tiny")


def test_the_committed_demo_model(demo_model: Path, cache_dir: Path) -> None:
    models = Catalog(ModelSettings(cache_dir=cache_dir))
    assert models.resolve("demo") == demo_model
    entry = models.entries()[0]
    assert (entry.id, entry.demo, entry.problem) == ("demo", True, None)


def test_a_cache_in_the_home_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_multilingual: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    installed = put(tiny_multilingual, tmp_path / "models", REPOSITORY)
    assert catalog(Path("~/models")).resolve(REPOSITORY) == installed
