"""Calls with a speaker a channel, with base: each is understood as well as alone, and nobody's words are said twice."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.accuracy.scoring import word_errors
from kernels.mel.audio import SAMPLE_RATE, Float32
from server.pipeline import alone
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.decode import AudioStream
from server.transcript import AudioInput, Finished, Options, Transcript
from tests.audio_files import joined
from tests.pipeline.test_real_files import JFK, NIGHTFALL

SPLIT = AudioInput(channels="split")
CUT = JFK[: JFK.index(" do for you, ask")]  # what call_overlap.wav has of it


@pytest.fixture(scope="module")
def nightfall(shared_cases: Path) -> Float32:
    return joined(AudioStream(shared_cases / "gap11.flac"))[22 * SAMPLE_RATE :]


def transcribe(model: LoadedModel, path: Path, audio: AudioInput = SPLIT) -> Transcript:
    *_, last = alone.transcribe(model, path, Options(language="en", audio=audio))
    assert isinstance(last, Finished)
    return last.transcript


def of(transcript: Transcript, channel: int) -> str:
    return "".join(s.text for s in transcript.segments if s.speaker == f"SPEAKER_{channel:02}")


def wrong(text: str, said: str) -> int:
    return word_errors(said, text, "en").wrong


def written(path: Path, *channels: Float32, rate: int = SAMPLE_RATE, subtype: str = "PCM_16") -> Path:
    length = max(map(len, channels))
    samples = np.stack([np.pad(channel, (0, length - len(channel))) for channel in channels], axis=1)
    soundfile.write(path, samples[:: SAMPLE_RATE // rate], rate, subtype=subtype)
    return path


def test_an_overlapping_call_is_understood_as_well_as_each_channel_alone(
    base: LoadedModel, shared_cases: Path, tmp_path: Path
) -> None:
    call = shared_cases / "call_overlap.wav"
    samples, rate = soundfile.read(call)
    heard = transcribe(base, call)
    assert heard.speakers == ("SPEAKER_00", "SPEAKER_01")
    for channel, said in enumerate((CUT, NIGHTFALL)):
        soundfile.write(tmp_path / "a.wav", samples[:, channel], rate)
        single = transcribe(base, tmp_path / "a.wav", AudioInput())
        assert wrong(of(heard, channel), said) <= wrong(single.text, said) + 1, of(heard, channel)


@pytest.mark.parametrize(
    ("leak", "rate", "subtype"), [(-25, 16_000, "PCM_16"), (-20, 16_000, "PCM_16"), (-25, 8_000, "ULAW")]
)
def test_turns_with_crosstalk_are_said_once(
    base: LoadedModel, jfk: Float32, nightfall: Float32, tmp_path: Path, leak: int, rate: int, subtype: str
) -> None:
    gain = np.float32(10 ** (leak / 20))
    left = np.concatenate([jfk, 0 * nightfall, jfk])
    right = np.concatenate([0 * jfk, nightfall, 0 * jfk])
    path = written(tmp_path / "a.wav", left + gain * right, right + gain * left, rate=rate, subtype=subtype)
    heard = transcribe(base, path)
    apart = transcribe(base, written(tmp_path / "b.wav", left, right, rate=rate, subtype=subtype))
    for channel, said in enumerate((f"{JFK} {JFK}", NIGHTFALL)):  # base itself drops the end of a text said twice
        assert wrong(of(heard, channel), said) <= wrong(of(apart, channel), said) + 2, of(heard, channel)
    turns = [speaker for speaker, _ in groupby(segment.speaker for segment in heard.segments)]
    assert turns == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00"]


@pytest.mark.parametrize("quieter", [-20, -35])
def test_a_quiet_talker_stays_also_while_another_one_talks(
    base: LoadedModel, jfk: Float32, nightfall: Float32, tmp_path: Path, quieter: int
) -> None:
    quiet = nightfall * np.float32(10 ** (quieter / 20))
    path = written(tmp_path / "a.wav", np.append(jfk, 0 * quiet), np.concatenate([quiet, 0 * jfk[len(quiet) :], quiet]))
    heard = transcribe(base, path)
    assert wrong(of(heard, 0), JFK) <= 1, of(heard, 0)
    assert wrong(of(heard, 1), f"{NIGHTFALL} {NIGHTFALL}") <= 4, of(heard, 1)


def test_copies_and_silence_are_one_speaker(base: LoadedModel, jfk: Float32, tmp_path: Path) -> None:
    for other in (jfk, -0.3 * jfk, 0 * jfk):
        heard = transcribe(base, written(tmp_path / "a.wav", jfk, other))
        assert heard.speakers == ("SPEAKER_00",)
        assert wrong(heard.text, JFK) <= 1, heard.text
