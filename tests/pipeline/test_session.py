"""The steps of one request, taken one by one as a scheduler takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.errors import InvalidInput
from server.pipeline import batches
from server.pipeline.alone import transcribe
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.session import Session
from server.pipeline.work import Work
from server.settings.group import Group
from server.settings.stages import DecodeSettings, ModelSettings, StageSettings
from server.transcript import DiarizeOptions, Finished, Options
from tests.audio_files import tone, write

DECODE = DecodeSettings(
    beam_size=1,
    temperatures=(0.0,),
    max_new_tokens=5,
    no_speech_threshold=None,
    log_prob_threshold=None,
    compression_ratio_threshold=None,
)


def loaded(directory: Path, **groups: Group) -> LoadedModel:
    """Load the model with groups of settings, by name, in place of the usual ones."""
    settings = ModelSettings(compute_type="float32", encoder="ctranslate2", offline=True)
    return LoadedModel("tiny", directory, StageSettings(**{"model": settings, "decode": DECODE, **groups}))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(tiny_multilingual: Path) -> LoadedModel:
    return loaded(tiny_multilingual)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(tmp_path / "a.wav", tone(65.0))


def works(session: Session) -> list[Work]:
    found: list[Work] = []
    while (read := session.read()) is not None:
        found += read
    return found


def compute(session: Session, batch: list[Work]) -> None:
    while waiting := [work for work in batch if work.waits_for_encoder]:
        batches.encode(session.model, waiting)
        for work in waiting:
            session.prepare(work)
        batches.decode_completely(session.model, waiting)
    session.complete(batch)


def test_what_the_model_cannot_do_is_refused_before_the_file_is_looked_at(model: LoadedModel, tmp_path: Path) -> None:
    for options in (
        Options(language="xx"),
        Options(languages=("de", "xx")),
        Options(align="ctc"),
        Options(diarize=DiarizeOptions()),
    ):
        with pytest.raises(InvalidInput):
            Session.open(model, tmp_path / "never-read.wav", options)


def test_an_open_session_can_be_closed_at_once(model: LoadedModel, tmp_path: Path) -> None:
    session = Session.open(model, tmp_path / "never-read.wav", Options())
    assert (session.duration, session.seconds, session.languages) == (None, 0.0, ())
    session.close()


def test_windows_that_are_computed_out_of_order_are_delivered_in_order(model: LoadedModel, recording: Path) -> None:
    session = Session.open(model, recording, Options(vad=False), number=3)
    first, second, third = works(session)
    assert [work.request for work in (first, second, third)] == [3, 3, 3]
    compute(session, [third])
    assert session.deliver() == []
    compute(session, [first])
    assert [delivered.index for delivered in session.deliver()] == [0]
    compute(session, [second])
    assert [delivered.index for delivered in session.deliver()] == [1, 2]
    assert session.deliver() == []
    transcript = session.finish()
    session.close()
    assert [segment.id for segment in transcript.segments] == list(range(len(transcript.segments)))
    assert session.languages
    assert session.languages[0][0] == transcript.language


def test_a_window_that_is_complete_holds_no_states(model: LoadedModel, recording: Path) -> None:
    session = Session.open(model, recording, Options(vad=False, language="en"))
    (work, *_) = works(session)
    compute(session, [work])
    session.close()
    with pytest.raises(AssertionError, match="encoded before"):
        _ = work.states


def detected(model: LoadedModel, recording: Path, **options: Any) -> tuple[str, float]:
    *_, last = transcribe(model, recording, Options(align="off", vad=False, **options))
    assert isinstance(last, Finished)
    return last.transcript.language, last.transcript.language_probability


def test_candidates_limit_the_detection_and_those_of_the_request_win(
    model: LoadedModel, tiny_multilingual: Path, recording: Path
) -> None:
    limited = LoadedModel(
        "tiny",
        tiny_multilingual,
        replace(model.settings, decode=DECODE.model_copy(update={"languages": ("de", "yue", "nl")})),
    )
    anywhere, _ = detected(model, recording)
    others = tuple(code for code in model.checkpoint.languages if code not in (anywhere, "de", "nl"))[:2]
    assert detected(model, recording, languages=others)[0] in others
    assert detected(limited, recording)[0] in ("de", "nl"), "the model does not know yue"
    assert detected(limited, recording, languages=others) == detected(model, recording, languages=others)
    assert detected(limited, recording, language="fr") == ("fr", 1.0)


def test_a_single_candidate_is_the_language(model: LoadedModel, tiny_multilingual: Path, recording: Path) -> None:
    settings = replace(model.settings, decode=DECODE.model_copy(update={"languages": ("nl",)}))
    dutch = LoadedModel("tiny", tiny_multilingual, settings)
    *_, last = transcribe(dutch, recording, Options(align="off", vad=False))
    assert isinstance(last, Finished)
    assert (last.transcript.language, last.transcript.language_probability) == ("nl", 1.0)
    assert "language" not in {stage.stage for stage in last.transcript.stages}


def test_configured_candidates_do_not_trouble_an_english_model(tiny_english: Path, recording: Path) -> None:
    settings = ModelSettings(compute_type="float32", encoder="ctranslate2", offline=True)
    decode = DECODE.model_copy(update={"languages": ("de", "nl")})
    english = LoadedModel("tiny.en", tiny_english, StageSettings(model=settings, decode=decode))
    assert detected(english, recording) == ("en", 1.0)
    with pytest.raises(InvalidInput, match="English only") as caught:
        english.check(Options(languages=("en", "de")))
    assert caught.value.param == "languages"


def test_an_answer_names_the_aligner_of_its_word_times(model: LoadedModel, recording: Path) -> None:
    *_, last = transcribe(model, recording, Options(align="attention", language="en", vad=False))
    assert isinstance(last, Finished)
    assert [stage.reason for stage in last.transcript.stages if stage.stage == "align"] == ["attention"]
