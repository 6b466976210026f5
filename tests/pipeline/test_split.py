"""Recordings with a speaker a channel, step by step, with a model of random weights."""

from __future__ import annotations

from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.errors import InvalidInput
from server.pipeline.alone import transcribe
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.session import Session
from server.transcript import AudioInput, DiarizeOptions, Event, Finished, Options, Progress, Resume, Transcript
from tests.audio_files import tone, write
from tests.pipeline.test_session import compute, loaded, works

SPLIT = Options(vad=False, language="en", audio=AudioInput(channels="split"))


@pytest.fixture(scope="module")
def model(tiny_multilingual: Path) -> LoadedModel:
    return loaded(tiny_multilingual)


def noises(channels: int, seconds: float = 70) -> Float32:
    return np.random.default_rng(0).normal(0, 0.05, (int(seconds * SAMPLE_RATE), channels)).astype(np.float32)


def recording(path: Path, samples: Float32) -> Path:
    soundfile.write(path, samples, SAMPLE_RATE)
    return path


def events(model: LoadedModel, source: Path, options: Options = SPLIT) -> list[Event]:
    return list(transcribe(model, source, options))


def transcript(model: LoadedModel, source: Path, options: Options = SPLIT) -> Transcript:
    *_, last = events(model, source, options)
    assert isinstance(last, Finished)
    return last.transcript


def test_segments_of_all_channels_are_in_order_and_have_speakers(model: LoadedModel, tmp_path: Path) -> None:
    seen = events(model, recording(tmp_path / "a.wav", noises(2)))
    last = seen[-1]
    assert isinstance(last, Finished)
    result = last.transcript
    assert result.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert [segment.id for segment in result.segments] == list(range(len(result.segments)))
    assert all(before.start <= after.start for before, after in pairwise(result.segments))
    assert all(before.start <= after.start for before, after in pairwise(result.words))
    assert {segment.speaker for segment in result.segments[:2]} == {"SPEAKER_00", "SPEAKER_01"}
    assert all(word.speaker == segment.speaker for segment in result.segments for word in segment.words)
    assert result.text == "".join(segment.text for segment in result.segments).strip()
    progress = [event.done for event in seen if isinstance(event, Progress)]
    assert progress == sorted(progress)
    assert result.duration == 70


def test_one_channel_is_transcribed_as_usual(model: LoadedModel, tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", tone(65))
    split, mixed = transcript(model, source), transcript(model, source, Options(vad=False, language="en"))
    assert split.text == mixed.text != ""
    assert [(s.start, s.end) for s in split.segments] == [(s.start, s.end) for s in mixed.segments]
    assert (split.speakers, mixed.speakers) == (("SPEAKER_00",), ())


@pytest.mark.parametrize("channels", [2, 6, 8])
def test_copies_are_one_speaker(model: LoadedModel, tmp_path: Path, channels: int) -> None:
    source = recording(tmp_path / "a.wav", np.repeat(noises(1, 20), channels, axis=1))
    result = transcript(model, source)
    assert result.speakers == ("SPEAKER_00",)
    assert result.text == transcript(model, source, Options(vad=False, language="en")).text


def test_channels_of_5_1_are_speakers(model: LoadedModel, tmp_path: Path) -> None:
    samples = noises(6, 12)
    samples[:, 3] = 0
    assert transcript(model, recording(tmp_path / "a.wav", samples)).speakers == tuple(
        f"SPEAKER_{number:02}" for number in (0, 1, 2, 4, 5)
    )


def test_silence_gives_nothing(model: LoadedModel, tmp_path: Path) -> None:
    for options in (SPLIT, Options(audio=AudioInput(channels="split"))):
        result = transcript(model, recording(tmp_path / "a.wav", 0 * noises(2, 12)), options)
        assert (result.text, result.speakers, result.duration) == ("", (), 12)
    (tmp_path / "empty.wav").touch()
    assert transcript(model, tmp_path / "empty.wav").text == ""


def test_too_many_channels_are_refused(model: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has 9 channels") as caught:
        events(model, recording(tmp_path / "a.wav", noises(9, 1)))
    assert caught.value.param == "channels"


def test_diarization_beside_it_is_refused(model: LoadedModel, tmp_path: Path) -> None:
    options = Options(diarize=DiarizeOptions(), audio=AudioInput(channels="split"))
    with pytest.raises(InvalidInput, match="already"):
        Session.open(model, tmp_path / "never-read.wav", options)


def test_an_interrupted_request_goes_on_where_it_was(model: LoadedModel, tmp_path: Path) -> None:
    source = recording(tmp_path / "a.wav", noises(2))
    whole = transcript(model, source)
    first = Session.open(model, source, SPLIT)
    for work in works(first)[:3]:
        compute(first, [work])
    delivered = first.deliver()
    first.close()
    assert [one.index for one in delivered] == [0, 1, 2]
    segments = tuple(chain.from_iterable(one.segments for one in delivered))
    second = Session.open(model, source, SPLIT, resume=Resume(3, segments, (("en", 1.0),)))
    for work in works(second):
        compute(second, [work])
    second.deliver()
    resumed = second.finish()
    said = [[(one.id, one.speaker, one.start, one.text) for one in made.segments] for made in (resumed, whole)]
    assert said[0] == said[1]
    second.close()
