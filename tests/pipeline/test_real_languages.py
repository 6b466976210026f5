"""The detection of the language with the real weights of base, on Dutch clips of 1 to 3 s that are often misheard."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.pipeline.alone import transcribe
from server.pipeline.loaded_model import LoadedModel
from server.settings.stages import ModelSettings, StageSettings
from server.transcript import Finished, Options

UNSURE = ("nathalie_nl/nl_rhasspy_1058.flac", "nathalie_nl/nl_rhasspy_106.flac")  # among all, English is likelier


@pytest.mark.parametrize("clip", UNSURE)
def test_candidates_help_where_the_speech_is_too_short_for_certainty(
    real_base: Path, shared_audio: Path, clip: str
) -> None:
    model = LoadedModel("base", real_base, StageSettings(model=ModelSettings(encoder="ctranslate2")))
    shares: dict[tuple[str, ...], float] = {}
    for candidates in (("de", "nl"), ("da", "de", "nl", "sv")):
        *_, last = transcribe(model, shared_audio / clip, Options(align="off", languages=candidates))
        assert isinstance(last, Finished)
        assert last.transcript.language == "nl"
        shares[candidates] = last.transcript.language_probability
    assert 0.5 < shares["da", "de", "nl", "sv"] <= shares["de", "nl"] < 1
