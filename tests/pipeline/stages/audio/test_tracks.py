"""The choice of an audio track by number, language or default flag."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from kernels.mel.audio import SAMPLE_RATE
from server.errors import InvalidInput, UnsupportedMedia
from server.pipeline.stages.decode import AudioStream
from server.transcript import AudioInput
from tests.audio_files import TrackSource, joined, tone, write_tracks

GERMAN, ENGLISH, FRENCH = 300, 600, 900  # Hz


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_tracks(
        tmp_path / "film.mkv",
        [
            TrackSource(tone(1, hertz=GERMAN), language="ger", title="Kommentar"),
            TrackSource(tone(1, hertz=ENGLISH), language="eng", default=True),
            TrackSource(tone(1, hertz=FRENCH), language="fre"),
        ],
    )


def pitch(path: Path, track: str | None) -> float:
    samples = joined(AudioStream(path, AudioInput(track=track)))
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * SAMPLE_RATE / len(samples))


@pytest.mark.parametrize(
    ("track", "hertz"),
    [
        (None, ENGLISH),
        ("default", ENGLISH),
        ("1", GERMAN),
        ("3", FRENCH),
        ("de", GERMAN),
        ("ger", GERMAN),
        ("deu", GERMAN),
        ("de-AT", GERMAN),
        ("German", GERMAN),
        ("FR", FRENCH),
        ("fra", FRENCH),
    ],
)
def test_a_track_is_chosen(film: Path, track: str | None, hertz: int) -> None:
    assert pitch(film, track) == pytest.approx(hertz, abs=2)


@pytest.mark.parametrize("track", ["4", "0", "nl", "nonsense"])
def test_a_track_that_is_not_there_is_refused_with_the_list(film: Path, track: str) -> None:
    with pytest.raises(
        InvalidInput, match=r"1 \(ger, 'Kommentar', pcm_s16le\); 2 \(eng, pcm_s16le, default\)"
    ) as caught:
        pitch(film, track)
    assert caught.value.param == "audio_track"


def test_the_first_track_without_any_default_flag(tmp_path: Path) -> None:
    tracks = [TrackSource(tone(1, hertz=GERMAN)), TrackSource(tone(1, hertz=ENGLISH))]
    assert pitch(write_tracks(tmp_path / "a.nut", tracks), None) == pytest.approx(GERMAN, abs=2)


def test_a_track_without_any_audio_that_can_be_decoded_is_passed_over(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as output:
        broken = output.add_stream("mp2", rate=48_000, layout="mono")
        good = output.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        output.start_encoding()
        for number in range(20):
            packet = av.Packet(np.random.default_rng(number).bytes(400))
            packet.stream, packet.time_base, packet.pts = broken, Fraction(1, 50), number
            packet.dts = number
            output.mux(packet)
        frame = av.AudioFrame.from_ndarray((tone(1)[None] * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        output.mux(good.encode(frame))
    assert pitch(tmp_path / "a.mkv", None) == pytest.approx(440, abs=2)
    with pytest.raises(UnsupportedMedia, match="None of the audio"):
        pitch(tmp_path / "a.mkv", "1")
