"""One request alone through all stages: real audio, a model with random weights."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from server.errors import InvalidInput, TooLarge, UnsupportedMedia
from server.pipeline.alone import transcribe
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.search import prompt_tokens
from server.settings.stages import AlignSettings, DecodeSettings, ModelSettings, StageSettings
from server.transcript import DiarizeOptions, Event, Finished, Options, Progress, SegmentReady, Transcript
from tests.audio_files import tone, write

DECODE = DecodeSettings(
    beam_size=1,
    temperatures=(0.0,),
    max_new_tokens=20,
    batch_size=2,
    no_speech_threshold=None,
    log_prob_threshold=None,
    compression_ratio_threshold=None,
)
SETTINGS = StageSettings(model=ModelSettings(compute_type="float32", offline=True), decode=DECODE)


@pytest.fixture(scope="module")
def model(tiny_multilingual: Path) -> LoadedModel:
    return LoadedModel("tiny", tiny_multilingual, SETTINGS)


@pytest.fixture(scope="module")
def english(tiny_english: Path) -> LoadedModel:
    return LoadedModel("tiny.en", tiny_english, SETTINGS)


@pytest.fixture
def speech(shared_audio: Path) -> Path:
    return shared_audio / "derived" / "three_speakers.flac"


def events(model: LoadedModel, source: Path, **options: object) -> list[Event]:
    return list(transcribe(model, source, Options(**options)))  # type: ignore[arg-type]


def transcript(model: LoadedModel, source: Path, **options: object) -> Transcript:
    last = events(model, source, **options)[-1]
    assert isinstance(last, Finished)
    return last.transcript


def test_every_word_has_times_in_order_inside_its_segment(model: LoadedModel, speech: Path) -> None:
    result = transcript(model, speech)
    assert result.duration == pytest.approx(77.197, abs=0.01)
    assert [segment.id for segment in result.segments] == list(range(len(result.segments)))
    clock = 0.0
    for segment in result.segments:
        assert segment.words
        assert "".join(segment.text.split()) == "".join(word.text for word in segment.words)
        for word in segment.words:
            assert max(clock, segment.start) <= word.start <= word.end <= segment.end <= result.duration
            clock = word.end


def test_text_is_the_segments_and_the_stages_are_named(model: LoadedModel, speech: Path) -> None:
    seen = events(model, speech)
    finished = seen[-1]
    assert isinstance(finished, Finished)
    result = finished.transcript
    streamed = [event.segment for event in seen if isinstance(event, SegmentReady)]
    assert tuple(streamed) == result.segments
    assert result.text == "".join(segment.text for segment in streamed).strip() != ""
    progress = [event for event in seen if isinstance(event, Progress)]
    assert [p.done for p in progress] == sorted(p.done for p in progress)
    assert all(p.total == pytest.approx(77.197, abs=0.01) for p in progress)
    stages = {stage.stage: stage for stage in result.stages}
    assert set(stages) == {"decode", "vad", "mel", "encoder", "language", "decoder", "align"}
    assert {stage.device for stage in result.stages} == {"cpu"}
    total = sum(stage.ms for stage in result.stages) / 1000
    assert 0 < total <= result.processing_time
    assert result.realtime_factor == result.processing_time / result.duration


def test_tokens_are_counted(model: LoadedModel, tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", tone(31.0))
    result = transcript(model, source, vad=False, language="en", prompt=" bada bede")
    prompt = len(prompt_tokens(model.checkpoint.tokenizer("en", "transcribe"), " bada bede", None))
    assert result.input_tokens == pytest.approx(31 * 50 + 2 * prompt, abs=1)
    assert result.output_tokens == sum(len(segment.tokens) for segment in result.segments)


def test_alignment_off(model: LoadedModel, speech: Path) -> None:
    result = transcript(model, speech, align="off", language="en")
    assert result.words == ()
    assert all(segment.end > segment.start for segment in result.segments)
    assert "align" not in {stage.stage for stage in result.stages}


def test_without_vad_everything_is_decoded(model: LoadedModel, speech: Path) -> None:
    stages = {stage.stage for stage in transcript(model, speech, vad=False).stages}
    assert "vad" not in stages


@pytest.mark.parametrize("seconds", [0.001, 1, 45])
def test_silence(model: LoadedModel, tmp_path: Path, seconds: float) -> None:
    result = transcript(model, write(tmp_path / "a.wav", tone(seconds, gain=0.0)))
    assert (result.text, result.segments, result.language) == ("", (), "en")
    assert result.duration == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize("vad", [True, False])
def test_a_recording_of_no_length(model: LoadedModel, tmp_path: Path, vad: bool) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0, np.float32), 16_000)
    result = transcript(model, tmp_path / "a.wav", vad=vad)
    assert (result.text, result.segments, result.duration, result.realtime_factor) == ("", (), 0.0, 0.0)


def test_an_empty_file(model: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert transcript(model, tmp_path / "a.wav").text == ""


def test_refusals_come_before_the_work(model: LoadedModel, english: LoadedModel, tmp_path: Path) -> None:
    missing = tmp_path / "never-read.wav"
    with pytest.raises(InvalidInput, match="English only"):
        next(transcribe(english, missing, Options(language="de")))
    with pytest.raises(InvalidInput, match="no CTC head"):
        next(transcribe(model, missing, Options(align="ctc")))
    with pytest.raises(InvalidInput, match="no diarization pipeline"):
        next(transcribe(model, missing, Options(diarize=DiarizeOptions())))


def test_bad_files(model: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("not audio at all")
    with pytest.raises(UnsupportedMedia):
        events(model, tmp_path / "a.wav")
    long = write(tmp_path / "b.wav", tone(3.0))
    with pytest.raises(TooLarge):
        list(transcribe(model, long, Options(), max_seconds=2))


def test_an_english_model_says_that_it_did_not_translate(english: LoadedModel, speech: Path) -> None:
    assert any(
        "nothing was translated" in warning for warning in transcript(english, speech, task="translate").warnings
    )


def test_a_missing_wav2vec2_model_is_named_and_attention_takes_over(
    tiny_english: Path, speech: Path, no_network: None, tmp_path: Path
) -> None:
    align = AlignSettings(models={"en": str(tmp_path / "nowhere")})
    model = LoadedModel("tiny.en", tiny_english, StageSettings(model=SETTINGS.model, decode=DECODE, align=align))
    result = transcript(model, speech)
    assert result.words
    assert any("nowhere" in w and "attention was used" in w for w in result.warnings)


def test_token_scores_on_request(model: LoadedModel, speech: Path) -> None:
    result = transcript(model, speech, token_logprobs=True, language="de")
    for segment in result.segments:
        assert len(segment.logprobs) == len(segment.tokens)
        assert b"".join(score.data for score in segment.logprobs).decode(errors="replace") == segment.text


def test_closing_the_iterator_stops_the_work(model: LoadedModel, speech: Path) -> None:
    run = transcribe(model, speech, Options())
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert list(run) == []


def test_sessions_side_by_side_do_not_leak_into_each_other(model: LoadedModel, speech: Path) -> None:
    """WhisperX's shared pipeline has this fault: it mixes languages and tasks of requests in several threads."""
    wishes = [
        {"language": language, "task": task, "prompt": prompt}
        for language in ("en", "de", "ja")
        for task, prompt in (("transcribe", None), ("translate", " bada bede"))
    ]
    alone = [transcript(model, speech, **wish).text for wish in wishes]
    together: dict[int, str] = {}

    def work(index: int) -> None:
        together[index] = transcript(model, speech, **wishes[index % len(wishes)]).text

    threads = [threading.Thread(target=work, args=(index,)) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == {index: alone[index % len(wishes)] for index in range(12)}
    assert len(set(alone)) > 1, "the wishes must make a difference for this to mean anything"


def test_memory_holds_windows_not_recordings(model: LoadedModel, tmp_path: Path) -> None:
    """Windows are computed while the file is still being read."""
    from server.pipeline.stages.decode import AudioStream

    source = write(tmp_path / "a.flac", np.tile(tone(10.0), 30), codec="flac")
    read: list[float] = []
    original = AudioStream._blocks

    def watched(self: AudioStream, frames: object) -> object:
        for block in original(self, frames):  # type: ignore[arg-type]
            read.append(self.seconds)
            yield block

    AudioStream._blocks = watched  # type: ignore[assignment]
    try:
        run = transcribe(model, source, Options(vad=False, language="en"))
        next(run)
        assert read[-1] < 120, "two windows of 30 s make a batch"
        run.close()  # type: ignore[attr-defined]
    finally:
        AudioStream._blocks = original  # type: ignore[method-assign]
