"""Checkpoint directories: their kind, their completeness, and the header of a model.bin.

A CTranslate2 directory holds model.bin, config.json, tokenizer.json and vocabulary.json (vocabulary.txt in older
conversions); a transformers directory holds config.json, tokenizer.json and model*.safetensors or pytorch_model*.bin.
Nothing here loads weights: a check of the largest model takes milliseconds.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from server.errors import ModelUnavailable

Kind = Literal["ctranslate2", "transformers"]

BINARY_VERSIONS = range(4, 7)  # share one variable record: ctranslate2/specs/model_spec.py, ModelSpec._serialize
DTYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")  # index is model.bin's type id
ITEM_BYTES = (4, 1, 2, 4, 2, 2)
LFS_POINTER = b"version https://git-lfs"
DEFAULT_MELS = 80  # what faster-whisper assumes without preprocessor_config.json


@dataclass(frozen=True, slots=True)
class Variable:
    """One tensor of a model.bin: ``nbytes`` of data from ``offset`` on, row-major, little-endian."""

    shape: tuple[int, ...]
    dtype: str
    offset: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The table of contents of a model.bin; an alias has the same variable as its target."""

    spec: str
    variables: dict[str, Variable]

    @property
    def n_mels(self) -> int:
        """The number of mel bands that the encoder takes."""
        return self.variables["encoder/conv1/weight"].shape[1]


def kind_of(directory: Path) -> Kind:
    """Return the kind of a checkpoint directory. Raises ModelUnavailable for a directory that is of neither kind."""
    if (directory / "model.bin").exists():
        return "ctranslate2"
    if next(_transformers_weights(directory), None) is not None:
        return "transformers"
    raise ModelUnavailable(
        f"{directory} holds no Whisper checkpoint.",
        cure="It needs model.bin (CTranslate2) or model.safetensors (transformers), with config.json beside it.",
    )


def check(directory: Path) -> None:
    """Raise ModelUnavailable, naming the file, unless the checkpoint is a whole Whisper model."""
    try:
        if kind_of(directory) == "ctranslate2":
            _check_ctranslate2(directory)
        else:
            _check_transformers(directory)
    except OSError as error:
        raise ModelUnavailable(f"{directory} cannot be read: {error}.", cure="Check who may read its files.") from error


def read_layout(model_bin: Path) -> Layout:
    """Read the header of every variable of a CTranslate2 model.bin, and none of the data.

    Raises ModelUnavailable for a truncated file, an LFS pointer or a file of another format.
    """
    _refuse_pointer(model_bin)
    size = model_bin.stat().st_size
    with model_bin.open("rb") as file:
        try:
            layout = _parse_layout(file)
        except (struct.error, UnicodeDecodeError, IndexError) as error:
            raise _damaged(model_bin, "it ends too early or is no CTranslate2 model") from error
        if file.tell() != size:
            raise _damaged(model_bin, f"its header describes {file.tell()} bytes, but it has {size}")
    return layout


def is_multilingual(directory: Path) -> bool:
    """Return True for a model that knows more than English, by the rule of CTranslate2 itself.

    The rule: the vocabulary has the empty token (OpenAI's id 50256); see src/models/whisper.cc of CTranslate2.
    """
    listed = directory / "vocabulary.json"
    if listed.is_file():
        return "" in json.loads(listed.read_bytes())
    return "" in (directory / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]


def _check_ctranslate2(directory: Path) -> None:
    layout = read_layout(directory / "model.bin")
    if layout.spec != "WhisperSpec" or "encoder/conv1/weight" not in layout.variables:
        raise ModelUnavailable(
            f"{directory / 'model.bin'} is a {layout.spec or 'nameless'} model, not a Whisper model."
        )
    _read_json(directory / "config.json")
    _check_json_end(directory / "tokenizer.json", b"}")
    if not (directory / "vocabulary.txt").is_file():
        _check_json_end(directory / "vocabulary.json", b"]")
    features = directory / "preprocessor_config.json"
    mels = _read_json(features).get("feature_size", DEFAULT_MELS) if features.exists() else DEFAULT_MELS
    if mels != layout.n_mels:
        raise ModelUnavailable(
            f"{features} {'says' if features.exists() else 'is missing, which means'} {mels} mel bands, "
            f"but the model takes {layout.n_mels}.",
            cure=f'Put {{"feature_size": {layout.n_mels}}} there, or the file of the original checkpoint.',
        )


def _check_transformers(directory: Path) -> None:
    model_type = _read_json(directory / "config.json").get("model_type")
    if model_type != "whisper":
        raise ModelUnavailable(f"{directory / 'config.json'} describes a {model_type} model, not a Whisper model.")
    _check_json_end(directory / "tokenizer.json", b"}")
    for weights in _transformers_weights(directory):
        _refuse_pointer(weights)
        if weights.suffix == ".json":
            for shard in sorted(set(_read_json(weights)["weight_map"].values())):
                _refuse_pointer(weights.with_name(shard))


def _transformers_weights(directory: Path) -> Iterator[Path]:
    for name in (
        "model.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
    ):
        if (directory / name).is_file():
            yield directory / name


def _parse_layout(file: BinaryIO) -> Layout:
    (version,) = _unpack(file, "<I")
    if version not in BINARY_VERSIONS:
        raise struct.error
    spec = _text(file)
    _revision, count = _unpack(file, "<II")
    variables: dict[str, Variable] = {}
    for _ in range(count):
        name = _text(file)
        (rank,) = _unpack(file, "<B")
        shape = _unpack(file, f"<{rank}I")
        type_id, nbytes = _unpack(file, "<BI")
        if math.prod(shape) * ITEM_BYTES[type_id] != nbytes:
            raise struct.error
        variables[name] = Variable(shape, DTYPES[type_id], file.tell(), nbytes)
        file.seek(nbytes, 1)
    (aliases,) = _unpack(file, "<I")
    for _ in range(aliases):
        alias, target = _text(file), _text(file)
        if target not in variables:
            raise struct.error
        variables[alias] = variables[target]
    return Layout(spec, variables)


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _text(file: BinaryIO) -> str:
    (length,) = _unpack(file, "<H")
    (data,) = struct.unpack(f"<{length}s", file.read(length))
    return str(data.rstrip(b"\0"), "utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    _refuse_pointer(path)
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise _damaged(path, f"it is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _damaged(path, "it is not a JSON object")
    return value


def _check_json_end(path: Path, closing: bytes) -> None:
    """Raise ModelUnavailable unless a JSON file ends with ``closing``.

    A tokenizer is megabytes of JSON, and its last byte is enough to see that a copy stopped early.
    """
    _refuse_pointer(path)
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        if not file.read().rstrip().endswith(closing):
            raise _damaged(path, f"it does not end with {closing.decode()}")


def _refuse_pointer(path: Path) -> None:
    if not path.is_file():
        raise ModelUnavailable(f"{path} is missing.", cure="Copy it from the checkpoint that the model was made from.")
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise _damaged(path, "it is a Git LFS pointer; `git lfs pull` fetches the file itself")


def _damaged(path: Path, why: str) -> ModelUnavailable:
    return ModelUnavailable(f"{path} is damaged: {why}.", cure="Fetch the model again.")
