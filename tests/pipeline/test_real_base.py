"""The pipeline with the real weights of base: it reads recordings as well as before, and on the simulated NPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.accuracy.clips import clips
from bench.accuracy.scoring import normaliser, total, word_errors
from server.pipeline import alone
from server.pipeline.loaded_model import LoadedModel
from server.settings.stages import NpuSettings, StageSettings
from server.transcript import Finished, Options, Transcript

EXPECTED = Path(__file__).with_name("expected_transcripts.json")  # of openvino in float32, by file
MORE = 3  # wrong words more than in the expected transcripts, over all of them
JFK = "en/openai_whisper__jfk.flac"
SAMPLE = "Good morning. Please set a timer for twenty five minutes."  # the begin of the demo model's sample


def transcribe(model: LoadedModel, path: Path) -> Transcript:
    *_, last = alone.transcribe(model, path, Options(align="off"))
    assert isinstance(last, Finished)
    return last.transcript


def test_as_few_wrong_words_as_in_the_expected_transcripts(base: LoadedModel, shared_audio: Path) -> None:
    """The words may differ from those expected, as they do between processors; what was said decides."""
    expected: dict[str, str] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    chosen = [clip for clip in clips(shared_audio) if clip.file in expected]
    assert len(chosen) == len(expected) == 30
    heard = {clip.file: transcribe(base, shared_audio / clip.file).text for clip in chosen}
    before = total([word_errors(clip.text, expected[clip.file], clip.language) for clip in chosen])
    now = total([word_errors(clip.text, heard[clip.file], clip.language) for clip in chosen])
    changed = [f"{file}: {heard[file]!r} for {text!r}" for file, text in expected.items() if heard[file] != text]
    assert now.wrong <= before.wrong + MORE, "\n".join(changed)


@pytest.mark.slow
def test_the_simulated_npu_reads_base(
    real_base: Path,
    demo_model: Path,
    shared_audio: Path,
    simulated_kernels: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mel and encoder run on the simulated NPU, the encoder in bf16: tens of seconds for each window."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(simulated_kernels))
    settings = StageSettings(npu=NpuSettings.model_validate({"mode": "simulated"}))
    model = LoadedModel("base", real_base, settings)
    try:
        sample, jfk = (transcribe(model, path) for path in (demo_model / "sample.wav", shared_audio / JFK))
    finally:
        model.close()
    assert {stage.device for stage in sample.stages if stage.stage in ("mel", "encoder")} == {"npu (simulated)"}
    said = next(clip.text for clip in clips(shared_audio) if clip.file == JFK)
    assert word_errors(said, jfk.text, "en").wrong == 0, jfk.text
    english = normaliser("en")
    assert english(sample.text).startswith(english(SAMPLE)), sample.text
