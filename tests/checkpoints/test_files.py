from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from bench.random_checkpoints import TINY, build_tiny_whisper
from server.checkpoints.files import check, is_multilingual, kind_of, read_layout
from server.errors import ModelUnavailable


@pytest.fixture
def model(tiny_multilingual: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_multilingual, tmp_path / "model"))


def test_layout_locates_the_weights(tiny_multilingual: Path) -> None:
    model_bin = tiny_multilingual / "model.bin"
    layout = read_layout(model_bin)
    assert layout.spec == "WhisperSpec"
    assert layout.n_mels == 80
    gamma = layout.variables["encoder/layer_norm/gamma"]
    assert (gamma.shape, gamma.dtype) == ((TINY.width,), "float32")
    # a fresh layer norm scales by one, which shows that the offset is right
    assert np.array_equal(
        np.fromfile(model_bin, np.float32, TINY.width, offset=gamma.offset), np.ones(TINY.width, np.float32)
    )


@pytest.mark.parametrize("fixture", ["tiny_multilingual", "tiny_english"])
def test_multilingual_as_ctranslate2_sees_it(fixture: str, request: pytest.FixtureRequest) -> None:
    directory: Path = request.getfixturevalue(fixture)
    assert is_multilingual(directory) == ctranslate2.models.Whisper(str(directory)).is_multilingual


@pytest.mark.parametrize("fixture", ["tiny_multilingual", "tiny_english"])
def test_multilingual_from_the_older_vocabulary_file(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    directory = Path(shutil.copytree(request.getfixturevalue(fixture), tmp_path / "model"))
    expected = is_multilingual(directory)
    tokens = json.loads((directory / "vocabulary.json").read_text())
    (directory / "vocabulary.json").unlink()
    (directory / "vocabulary.txt").write_text("".join(f"{token}\n" for token in tokens))
    check(directory)
    assert is_multilingual(directory) == expected
    assert ctranslate2.models.Whisper(str(directory)).is_multilingual == expected


def test_kinds(tiny_multilingual: Path, tiny_hf: Path, tmp_path: Path) -> None:
    assert kind_of(tiny_multilingual) == "ctranslate2"
    assert kind_of(tiny_hf) == "transformers"
    with pytest.raises(ModelUnavailable, match="no Whisper checkpoint"):
        kind_of(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "vocabulary.json"])
def test_a_missing_file_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(ModelUnavailable, match=f"{name} is missing"):
        check(model)


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.999])
def test_a_truncated_file_is_named(model: Path, name: str, keep: float) -> None:
    data = (model / name).read_bytes()
    (model / name).write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(ModelUnavailable, match=f"{name} is damaged"):
        check(model)


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
def test_a_git_lfs_pointer_is_named(model: Path, name: str) -> None:
    (model / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 954901\n")
    with pytest.raises(ModelUnavailable, match=rf"{name} is damaged.*git lfs pull"):
        check(model)


def test_bytes_after_the_last_variable_are_damage(model: Path) -> None:
    with (model / "model.bin").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelUnavailable, match=r"model\.bin is damaged: its header describes"):
        check(model)


def test_another_kind_of_ctranslate2_model(model: Path) -> None:
    name = b"TransformerSpec\0"
    header = struct.pack("<IH", 6, len(name)) + name + struct.pack("<III", 7, 0, 0)
    (model / "model.bin").write_bytes(header)
    with pytest.raises(ModelUnavailable, match="TransformerSpec model, not a Whisper model"):
        check(model)


def test_another_kind_of_transformers_model(tiny_hf: Path) -> None:
    (tiny_hf / "config.json").write_text('{"model_type": "wav2vec2"}')
    with pytest.raises(ModelUnavailable, match="wav2vec2 model, not a Whisper model"):
        check(tiny_hf)


def test_mel_bands_must_fit_the_model(tmp_path: Path) -> None:
    directory = build_tiny_whisper(tmp_path / "large", multilingual=False, format="ct2", n_mels=128)
    check(directory)
    assert read_layout(directory / "model.bin").n_mels == 128
    (directory / "preprocessor_config.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"preprocessor_config\.json is missing, which means 80 mel bands"):
        check(directory)


def test_without_preprocessor_config_80_bands_are_meant(model: Path) -> None:
    (model / "preprocessor_config.json").unlink()
    check(model)
