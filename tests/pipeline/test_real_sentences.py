"""Sentences and subtitles of real speech with base: ordinals end neither, and cues can be read."""

from __future__ import annotations

import re
from pathlib import Path

from server.formats import SubtitleLayout
from server.formats.cues import COLUMNS_PER_SECOND, LONGEST_MS, cues
from server.formats.line_breaks import width
from server.pipeline import alone
from server.pipeline.loaded_model import LoadedModel
from server.transcript import Finished, Options, Transcript

JFK = "en/openai_whisper__jfk.flac"


def transcribe(model: LoadedModel, path: Path) -> Transcript:
    *_, last = alone.transcribe(model, path, Options())
    assert isinstance(last, Finished)
    return last.transcript


def test_no_sentence_or_cue_ends_after_an_ordinal(base: LoadedModel, shared_cases: Path) -> None:
    transcript = transcribe(base, shared_cases / "de_ord.wav")
    assert re.search(r"\b\d+\. \w", transcript.text), transcript.text  # base writes ordinals as it hears them
    texts = [segment.text for segment in transcript.segments] + [
        cue.text for cue in cues(transcript.segments, SubtitleLayout())
    ]
    assert not [text for text in texts[:-1] if re.search(r"\b\d\d?\.$", text.strip())]


def test_cues_of_real_speech_can_be_read(base: LoadedModel, shared_audio: Path) -> None:
    shown = list(cues(transcribe(base, shared_audio / JFK).segments, SubtitleLayout()))
    for cue in shown:
        assert 1000 <= cue.end - cue.start <= LONGEST_MS
        assert width(cue.text) * 1000 <= COLUMNS_PER_SECOND * (cue.end - cue.start)
