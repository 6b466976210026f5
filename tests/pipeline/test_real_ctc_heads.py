"""English word times of base and tiny.en come from their heads, and are near the published ones."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest

from server.pipeline import alone
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.ctc_heads import HEADS
from server.settings.stages import StageSettings
from server.transcript import AlignMethod, Finished, Options, Transcript, Word
from training.align_quality import librivox_times
from training.heads.speech import spelled

MEDIAN, PERCENTILE_95 = 0.03, 0.12  # seconds; measured 0.01 and 0.06 to 0.07, the goals are 0.04 and 0.2


def transcribe(model: LoadedModel, path: Path, align: AlignMethod | None = None) -> Transcript:
    *_, last = alone.transcribe(model, path, Options(language="en", align=align))
    assert isinstance(last, Finished)
    return last.transcript


def words(transcript: Transcript) -> list[Word]:
    return [word for segment in transcript.segments for word in segment.words or ()]


@pytest.mark.parametrize("name", ["base", "tiny.en"])
def test_word_times_are_near_the_published_ones(name: str, request: pytest.FixtureRequest, shared_audio: Path) -> None:
    """Clips of LibriVox readers; words that the model writes otherwise ("Mr.") are left out."""
    directory: Path = request.getfixturevalue("real_" + name.replace(".", "_"))
    model = LoadedModel(name, directory, StageSettings())
    starts, ends = [], []
    for path, published in librivox_times(shared_audio):
        heard = words(transcribe(model, path))
        spellings = [spelled(word.text) for word in heard], [spelled(word.label) for word in published]
        for ours, theirs, size in SequenceMatcher(None, *spellings, autojunk=False).get_matching_blocks():
            for found, word in zip(heard[ours : ours + size], published[theirs : theirs + size], strict=True):
                starts.append(found.start - word.start)
                ends.append(found.end - word.end)
    assert words(transcribe(model, path, "ctc")) == heard, "auto is not the head"
    assert words(transcribe(model, path, "attention")) != heard
    assert len(starts) >= 60
    for errors in (np.abs(starts), np.abs(ends)):
        assert np.median(errors) <= MEDIAN
        assert np.percentile(errors, 95) <= PERCENTILE_95


def test_the_heads_are_small_and_their_card_has_their_figures() -> None:
    shipped = sorted(path.stem for path in HEADS.glob("*.npz"))
    assert shipped == ["base", "tiny.en"]
    assert all((HEADS / f"{name}.npz").stat().st_size < 3_000_000 for name in shipped)
    card = (HEADS / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(f"| {name} | librivox_align | start |" in card for name in shipped)
