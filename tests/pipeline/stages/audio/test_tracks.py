"""The choice of an audio track by number, language or default flag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kernels.mel.audio import SAMPLE_RATE
from server.errors import InvalidInput
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
