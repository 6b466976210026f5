"""Speech is found where it is, however the stream is cut."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.mel.audio import SAMPLE_RATE, WINDOW_SAMPLES, Float32
from server.pipeline.stages.decode import AudioStream
from server.pipeline.stages.level import FRAME
from server.pipeline.stages.protocols import Span
from server.pipeline.stages.vad import Hangover, SileroDetector
from server.settings.stages import VadSettings
from tests.audio_files import joined


def spans(samples: Float32, cut: int = 160_000, **settings: float) -> list[Span]:
    detector = SileroDetector(VadSettings(**settings))
    found: list[Span] = []
    for start in range(0, len(samples), cut):
        found += detector.feed(samples[start : start + cut])
    return found + detector.flush()


def recording(shared_audio: Path, name: str) -> Float32:
    return joined(AudioStream(shared_audio / name))


@pytest.mark.parametrize(
    ("name", "speech"),
    [("nsn", [(1.4, 4.4)]), ("ns", [(1.4, 3.9)]), ("sn", [(0.0, 2.9)]), ("n", []), ("zero", [])],
)
def test_nothing_and_something(shared_audio: Path, name: str, speech: list[tuple[float, float]]) -> None:
    found = spans(recording(shared_audio, f"vad/readbeyond_aeneas__{name}.wav"))
    edges = [edge / SAMPLE_RATE for span in found for edge in span]
    assert edges == pytest.approx([edge for span in speech for edge in span], abs=0.25)


@pytest.mark.parametrize("cut", [1, 511, 512, 7_919, 1_000_000])
def test_the_cut_of_the_stream_does_not_matter(shared_audio: Path, cut: int) -> None:
    samples = recording(shared_audio, "vad/readbeyond_aeneas__nsn.wav")[: 20_000 if cut == 1 else None]
    assert spans(samples, cut) == spans(samples, 10 * SAMPLE_RATE)


def test_an_hour_of_digital_silence_costs_next_to_nothing(shared_audio: Path) -> None:
    speech = recording(shared_audio, "vad/readbeyond_aeneas__nsn.wav")
    hour = np.zeros(3600 * SAMPLE_RATE, np.float32)
    begun = time.process_time()
    found = spans(np.concatenate([speech, hour, speech]))
    assert time.process_time() - begun < 2
    gap = len(speech) + len(hour)
    assert len(found) == 2
    assert found[1][0] - found[0][0] == pytest.approx(gap, abs=0.1 * SAMPLE_RATE)
    assert found[1][1] - found[0][1] == pytest.approx(gap, abs=0.1 * SAMPLE_RATE)


def test_spans_agree_with_faster_whispers_own_use_of_the_network(shared_audio: Path) -> None:
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    samples = recording(shared_audio, "derived/three_speakers.flac")
    options = VadOptions(threshold=0.5, min_speech_duration_ms=100, min_silence_duration_ms=300, speech_pad_ms=0)
    theirs = [(item["start"], item["end"]) for item in get_speech_timestamps(samples, options)]
    ours = spans(samples, pad_ms=0)
    covered = np.zeros((2, len(samples)), bool)
    for row, found in zip(covered, (ours, theirs), strict=True):
        for start, end in found:
            row[start:end] = True
    assert (covered[0] != covered[1]).mean() < 0.02


def test_music_and_silence_hold_no_long_speech(shared_audio: Path) -> None:
    samples = recording(shared_audio, "noise/librosa_data__sorohanro_-_solo-trumpet-06.ogg")
    assert spans(samples) == []
    assert spans(np.zeros(0, np.float32)) == []


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 60)), max_size=60),
    st.integers(0, 500),
    st.integers(0, 800),
    st.integers(0, 600),
)
def test_spans_are_ordered_padded_and_never_longer_than_a_window(
    runs: list[tuple[float, int]], shortest: int, pause: int, pad: int
) -> None:
    probabilities = np.repeat([p for p, _ in runs], [n for _, n in runs]).astype(np.float32)
    settings = VadSettings(min_speech_ms=shortest, min_silence_ms=pause, pad_ms=pad)
    hangover = Hangover(settings)
    found: list[Span] = []
    for probability in probabilities:
        undecided = hangover.undecided
        fresh = hangover.push(np.array([probability]))
        assert all(start >= undecided for start, _ in fresh)
        found += fresh
    found += hangover.end()
    previous = 0
    for start, end in found:
        assert previous <= start < end <= start + WINDOW_SAMPLES
        assert end - start >= shortest * 16
        previous = end


def test_endless_speech_is_cut_at_its_least_likely_moment() -> None:
    probabilities = np.full(2000, 0.9, np.float32)
    probabilities[700] = 0.6
    hangover = Hangover(VadSettings(pad_ms=0))
    found = [*hangover.push(probabilities), *hangover.end()]
    assert found[0] == (0, 700 * FRAME)
    assert found[-1][1] == 2000 * FRAME
    assert all(end - start <= WINDOW_SAMPLES for start, end in found)


@pytest.mark.parametrize("level", [-30, -40, -50, -60])
@pytest.mark.parametrize(
    "name", ["en/openai_whisper__jfk.flac", "vad/readbeyond_aeneas__sns.wav", "ljspeech/LJ001-0002.wav"]
)
def test_quiet_speech_is_found_where_loud_speech_is(shared_audio: Path, name: str, level: int) -> None:
    samples = recording(shared_audio, name)
    loud, quiet = (mask(spans(at_level(samples, decibels)), len(samples)) for decibels in (-20, level))
    assert (loud != quiet).sum() < 0.5 * SAMPLE_RATE, "breath and room after the last word may differ"


@pytest.mark.parametrize("level", [-20, -30, -40, -50, -60, -70])
def test_noise_is_not_lifted_to_speech(level: int) -> None:
    count = 10 * SAMPLE_RATE
    random = np.random.default_rng(7)
    white = random.standard_normal(count)
    spectrum = np.fft.rfft(white)
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)))
    times = np.arange(count) / SAMPLE_RATE
    order = np.arange(1, 12)[:, None]
    hum = (np.sin(2 * np.pi * 50 * order * times) / order).sum(axis=0)
    fan = np.fft.irfft(spectrum / np.arange(1, len(spectrum) + 1) ** 0.8) * (1 + 0.2 * np.sin(2 * np.pi * 4 * times))
    for noise in (white, pink, hum, fan):
        assert spans(at_level(noise, level)) == []


def test_music_is_no_more_speech_when_it_is_quiet(shared_audio: Path) -> None:
    for name in (
        "Kevin_MacLeod_-_P_I_Tchaikovsky_Dance_of_the_Sugar_Plum_Fairy",
        "147793__setuniman__sweet-waltz-0i-22mi",
    ):
        samples = recording(shared_audio, f"noise/librosa_data__{name}.ogg")[: 40 * SAMPLE_RATE]
        assert [spans(at_level(samples, level)) for level in (-50, -60)] == [[], []]


@pytest.mark.parametrize("gap", [0.3, 1.5])
def test_a_quiet_talker_between_two_loud_ones_is_heard(shared_audio: Path, gap: float) -> None:
    loud = at_level(recording(shared_audio, "en/openai_whisper__jfk.flac"), -20)
    talker = recording(shared_audio, "kerstin_de/de_rhasspy-0010.webm")[: 7 * SAMPLE_RATE]
    pause = np.zeros(int(gap * SAMPLE_RATE), np.float32)
    samples, equal = (np.concatenate([loud, pause, at_level(talker, level), pause, loud]) for level in (-55, -20))
    missed = mask(spans(equal), len(equal)) & ~mask(spans(samples), len(samples))
    assert missed.sum() < 0.2 * SAMPLE_RATE


def at_level(samples: np.ndarray[Any, np.dtype[Any]], decibels: float) -> Float32:
    """Return samples whose loudest tenth of frames has this level in dB, with the noise of a file of 16 bits."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    powers = np.sort(np.square(frames, dtype=np.float64).mean(axis=1))
    gain = 10 ** (decibels / 20) / np.sqrt(powers[len(powers) * 9 // 10 :].mean())
    whole: Float32 = (np.round(np.clip(samples * gain, -1, 1) * 32767) / 32768).astype(np.float32)
    return whole


def mask(spans: list[Span], length: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    covered = np.zeros(length, bool)
    for start, end in spans:
        covered[start:end] = True
    return covered
