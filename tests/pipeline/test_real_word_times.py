"""Word times with the real weights of base: none in a pause, whether detected or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.pipeline.alone import transcribe
from server.pipeline.loaded_model import LoadedModel
from server.settings.stages import StageSettings
from server.transcript import Finished, Options, Word

GAP = 11.2, 21.8  # seconds of gap11.flac without speech, as the file was made


@pytest.fixture(scope="module")
def model(real_base: Path) -> LoadedModel:
    return LoadedModel("base", real_base, StageSettings())


def words(model: LoadedModel, path: Path, options: Options) -> list[Word]:
    *_, last = transcribe(model, path, options)
    assert isinstance(last, Finished)
    return [word for segment in last.transcript.segments for word in segment.words]


@pytest.mark.parametrize("vad", [True, False])
def test_no_word_covers_a_long_pause(model: LoadedModel, shared_cases: Path, vad: bool) -> None:
    found = words(model, shared_cases / "gap11.flac", Options(vad=vad))
    after = next(word for word in found if word.text == "After")
    assert 22.0 <= after.start <= 22.5
    assert [word for word in found if word.end > GAP[0] and word.start < GAP[1]] == []
    assert all(word.start < word.end for word in found)
