"""Real recordings in files as users have them, with base: the words are all there, at the times a player shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.accuracy.scoring import word_errors
from kernels.mel.audio import SAMPLE_RATE, Float32
from server.errors import InvalidInput
from server.pipeline import alone
from server.pipeline.loaded_model import LoadedModel
from server.transcript import AudioInput, Finished, Options, Transcript
from tests.audio_files import TrackSource, write_tracks

JFK = "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."
NIGHTFALL = "After early nightfall the yellow lamps would light up here and there the squalid quarter of the brothels."


def transcribe(model: LoadedModel, path: Path, **options: object) -> Transcript:
    *_, last = alone.transcribe(model, path, Options(**options))  # type: ignore[arg-type]
    assert isinstance(last, Finished)
    return last.transcript


def wrong(text: str, said: str, language: str = "en") -> int:
    return word_errors(said, text, language).wrong


def test_rate_and_channels_that_change_on_the_way(base: LoadedModel, shared_cases: Path) -> None:
    heard = transcribe(base, shared_cases / "mixedrate.mp3", align="off", language="en")
    assert wrong(heard.text, f"{JFK} {NIGHTFALL}") <= 2, heard.text
    assert heard.duration == pytest.approx(17.7, abs=0.1)


def test_audio_that_starts_after_the_video(base: LoadedModel, shared_cases: Path) -> None:
    heard = transcribe(base, shared_cases / "delay49.mkv", language="en")
    assert wrong(heard.text, JFK) <= 1, heard.text
    assert heard.words[0].start == pytest.approx(5.0, abs=0.3)
    assert heard.duration == pytest.approx(15.9, abs=0.1)
    assert not heard.warnings


@pytest.mark.parametrize("name", ["antiphase.wav", "plain3.wav"])
def test_no_channel_is_lost(base: LoadedModel, shared_cases: Path, name: str) -> None:
    heard = transcribe(base, shared_cases / name, align="off")
    assert wrong(heard.text, JFK) <= 1, heard.text
    assert not heard.warnings


def test_the_default_track_or_the_one_that_is_asked_for(base: LoadedModel, shared_cases: Path) -> None:
    path = shared_cases / "twotracks.mkv"
    for track, language in ((None, "en"), ("de", "de")):
        heard = transcribe(base, path, align="off", audio=AudioInput(track=track))
        assert heard.language == language
        assert language != "en" or wrong(heard.text, JFK) <= 1, heard.text
    with pytest.raises(InvalidInput, match="audio tracks are 1"):
        transcribe(base, path, audio=AudioInput(track="nl"))


def test_a_hole_between_packets(base: LoadedModel, jfk: Float32, tmp_path: Path) -> None:
    twice = np.concatenate([jfk, jfk])
    track = TrackSource(twice, stamps=lambda said: said if said < 11 else said + 20)
    heard = transcribe(base, write_tracks(tmp_path / "a.mkv", [track]), language="en")
    assert wrong(heard.text, f"{JFK} {JFK}") <= 2, heard.text
    second = [word.start for word in heard.words if word.text.strip().lower() == "fellow"][-1]
    assert second == pytest.approx(31 + 1.3, abs=0.6)
    assert heard.duration == pytest.approx(42, abs=0.1)


def test_one_voice_among_60_channels_with_noise(base: LoadedModel, jfk: Float32, tmp_path: Path) -> None:
    samples = np.random.default_rng(1).normal(0, 0.02, (len(jfk), 60)).astype(np.float32)
    samples[:, 41] += jfk
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE)
    heard = transcribe(base, tmp_path / "a.wav", align="off", language="en")
    assert wrong(heard.text, JFK) <= 2, heard.text
