"""Both pipelines of the benchmark, really run on a few seconds of speech."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from bench import checkpoints
from bench.__main__ import child
from bench.benchmark_audio import benchmark_audio
from bench.memory import measure
from bench.runs import STAGES, RunSettings


@pytest.fixture(scope="module")
def spoken(shared_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("speech") / "speech.flac"
    samples, rate = soundfile.read(shared_audio / "derived" / "long_kathleen.flac", dtype="int16")
    soundfile.write(target, samples[: 20 * rate], rate)
    return target


def _settings(spoken: Path, model: Path, *, align_model: str | None = None, align: bool) -> RunSettings:
    return RunSettings(str(spoken), str(spoken), str(model), align, align_model, threads=1, max_new_tokens=8)


def test_our_side(spoken: Path, tiny_multilingual: Path) -> None:
    result = child("ours", _settings(spoken, tiny_multilingual, align=True))
    assert set(STAGES) <= set(result.stages)
    assert result.audio_seconds == pytest.approx(20.0, abs=0.1)
    assert result.tokens == 8 * result.windows > 0
    assert sum(result.stages.values()) <= result.total_ms


@pytest.mark.slow
def test_whisperx_side(spoken: Path, tiny_multilingual: Path, tmp_path: Path) -> None:
    settings = _settings(spoken, tiny_multilingual, align=True, align_model=str(checkpoints.wav2vec2(tmp_path)))
    result = child("theirs", settings)
    assert set(STAGES) <= set(result.stages)
    assert result.audio_seconds == pytest.approx(20.0, abs=0.1)
    assert result.tokens == 8 * result.windows > 0


def test_speech_is_whole_sentences_and_their_text(shared_audio: Path, tmp_path: Path) -> None:
    found = benchmark_audio(10.0, tmp_path)
    first, second = "Author of the danger trail, Philip Steels, etc.", "Not at this particular case, Tom, apologized"
    assert found.text == f"{first} {second} Whittemore."
    assert soundfile.info(found.path).duration == pytest.approx(7.943 + 0.35, abs=0.01)


def test_memory_is_sampled_at_every_mark(shared_audio: Path, tmp_path: Path) -> None:
    growth = measure("windows", 0.05, "tiny", tmp_path)
    assert len(growth.resident) == 3
    assert all(0 < mb <= growth.peak_mb for mb in growth.resident)
    assert growth.count >= 5
