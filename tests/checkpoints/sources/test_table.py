from __future__ import annotations

import re

import pytest

from server.checkpoints.sources.table import known_models

NAMES = sorted(known_models().repositories())


def test_every_name_of_faster_whisper_is_there() -> None:
    from faster_whisper.utils import _MODELS

    assert known_models().repositories() == _MODELS


@pytest.mark.parametrize("name", NAMES)
def test_entries_are_whole(name: str) -> None:
    model = known_models().at(known_models().repositories()[name])
    assert model
    assert model.licence == "MIT"
    assert model.origin
    assert model.revision is None or re.fullmatch("[0-9a-f]{40}", model.revision)
    assert bool(model.revision) == ("model.bin" in {file.name for file in model.files})
    for sha256 in (*(file.sha256 for file in model.files), *(wheel.sha256 for wheel in model.wheels)):
        assert re.fullmatch("[0-9a-f]{64}", sha256)
    if model.wheels:
        brought = {file for wheel in model.wheels for _member, file in wheel.members}
        assert brought == {file.name for file in model.files} >= {"model.bin", "config.json", "tokenizer.json"}
        assert all(file.bytes for file in model.files)


def test_base_and_tiny_en_have_packages() -> None:
    models = (known_models().at(known_models().repositories()[name]) for name in NAMES)
    assert {model.name for model in models if model and model.wheels} == {"base", "tiny.en"}
