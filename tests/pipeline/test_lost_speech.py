"""Speech that real base drops in one go: recordings with several languages, and sentences that are said again."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pytest

from bench.accuracy.scoring import normaliser
from server.pipeline.alone import transcribe
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.decode import AudioStream
from server.settings.stages import DecodeSettings, ModelSettings, StageSettings
from server.transcript import Finished, Options, Transcript
from tests.audio_files import write

JFK = "And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country."
ENGLISH = "en/openai_whisper__jfk.flac"
GERMAN = "lang/leopard_test_de.wav"
ITALIAN = "lang/cheetah_test_it.wav"
JAPANESE = "lang/leopard_test_ja.wav"
QUICK = ModelSettings(encoder="ctranslate2")


@pytest.fixture(scope="module")
def base(real_base: Path) -> LoadedModel:
    return LoadedModel("base", real_base, StageSettings(model=QUICK))


def heard(model: LoadedModel, path: Path, options: Options = Options()) -> Transcript:  # noqa: B008  frozen
    *_, last = transcribe(model, path, options)
    assert isinstance(last, Finished)
    return last.transcript


def joined(path: Path, files: Sequence[Path], pause: float = 0.7) -> Path:
    """Write the recordings one after the other, with a pause of so many seconds between them."""
    silence = np.zeros(round(pause * 16000), np.float32)
    parts = [block for file in files for block in (*AudioStream(file), silence)]
    return write(path, np.concatenate(parts))


def kept(said: str, text: str, language: str) -> float:
    """Return the share of the letters of ``said`` that are in ``text``, in order: a misspelled word is no lost one."""
    simple = normaliser(language)
    expected, found = simple(said), simple(text)
    blocks = SequenceMatcher(None, expected, found, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(expected)


def text_in(transcript: Transcript, language: str) -> str:
    return "".join(segment.text for segment in transcript.segments if segment.language == language)


@pytest.mark.parametrize("align", ["auto", "off"])
def test_both_languages_of_a_recording_are_kept(
    base: LoadedModel, shared_cases: Path, shared_audio: Path, align: str
) -> None:
    transcript = heard(base, shared_cases / "en_de.wav", Options(align=align))  # type: ignore[arg-type]
    german = heard(base, shared_audio / GERMAN).text
    assert kept(JFK, text_in(transcript, "en"), "en") >= 0.9
    assert kept(german, text_in(transcript, "de"), "de") >= 0.9
    assert transcript.language == "en"
    assert [each.code for each in transcript.languages] == ["en", "de"]
    assert transcript.warnings == ()


@pytest.mark.slow
def test_three_languages_in_one_window(base: LoadedModel, shared_audio: Path, tmp_path: Path) -> None:
    files = [shared_audio / name for name in (GERMAN, ENGLISH, ITALIAN)]
    transcript = heard(base, joined(tmp_path / "a.wav", files))
    for file, language in zip(files, ("de", "en", "it"), strict=True):
        assert kept(heard(base, file).text, text_in(transcript, language), language) >= 0.85, language
    starts = [segment.start for segment in transcript.segments]
    assert starts == sorted(starts)
    assert [segment.id for segment in transcript.segments] == list(range(len(starts)))


def test_a_language_that_was_asked_for_stays(base: LoadedModel, shared_cases: Path) -> None:
    transcript = heard(base, shared_cases / "en_de.wav", Options(language="en"))
    assert [each.code for each in transcript.languages] == ["en"]
    assert kept(JFK, transcript.text, "en") >= 0.9


def test_one_language_for_the_file_leaves_out_the_other_with_a_warning(real_base: Path, shared_cases: Path) -> None:
    decode = DecodeSettings(language_changes="file", recheck=False)
    model = LoadedModel("base", real_base, StageSettings(model=QUICK, decode=decode))
    transcript = heard(model, shared_cases / "en_de.wav")
    [warning] = transcript.warnings
    assert warning.startswith("Speech may be missing from the text at 0.")


@pytest.mark.slow
def test_a_sentence_said_four_times_comes_four_times(base: LoadedModel, shared_audio: Path, tmp_path: Path) -> None:
    clip = shared_audio / JAPANESE
    transcript = heard(base, joined(tmp_path / "a.wav", [clip] * 4))
    assert transcript.text.count("客観") == 4
    assert len(transcript.text) > 3 * len(heard(base, clip).text)


def test_nothing_changes_in_one_language(base: LoadedModel, real_base: Path, shared_audio: Path) -> None:
    decode = DecodeSettings(language_changes="file", recheck=False)
    before = LoadedModel("base", real_base, StageSettings(model=QUICK, decode=decode))
    for name in (ENGLISH, GERMAN):
        now = heard(base, shared_audio / name)
        assert (now.text, now.warnings) == (heard(before, shared_audio / name).text, ())
