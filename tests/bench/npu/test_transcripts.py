from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.npu import transcripts as npu_transcripts
from bench.npu.clips import EnglishClip, clips
from bench.npu.demo import window
from bench.npu.results import ClipResult, Transcripts, read
from bench.npu.transcripts import TextDecoder, main
from bench.npu.variants import variant
from kernels.mel.audio import WINDOW_SAMPLES
from server.checkpoints.catalog import DEMO_DIR
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.stages.decode import AudioStream
from server.pipeline.stages.whisper import Checkpoint
from server.settings.stages import ModelSettings
from training.recordings import kathleen


def _clip(name: str) -> EnglishClip:
    return EnglishClip(name, "LibriSpeech", np.zeros(16_000, np.float32), "one")


@pytest.fixture(scope="module")
def decoder() -> TextDecoder:
    return TextDecoder(Checkpoint(DEMO_DIR, ModelSettings.model_validate({"compute_type": "float32", "threads": 1})))


def test_same_states_same_text_and_other_states_another(decoder: TextDecoder) -> None:
    states = Ct2Encoder(decoder.checkpoint)(window()[None])
    same = decoder.compare(states, states.copy())
    assert same.identical
    assert len(same.cpu.split()) > 5
    assert same.gap is None
    other = decoder.compare(states, -states)
    assert not other.identical
    assert other.gap is not None
    assert other.gap > 1.0


def test_a_text_is_likelier_by_its_own_states(decoder: TextDecoder) -> None:
    states = Ct2Encoder(decoder.checkpoint)(window()[None])
    right, wrong = (decoder.decode(given) for given in (states, -states))
    assert -0.2 < decoder.likelihood(states, right) < 0.0
    assert decoder.likelihood(states, wrong) < decoder.likelihood(states, right) - 1.0


def test_clips_that_are_done_are_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.jsonl"
    asked: list[list[str]] = []

    def run(todo: list[EnglishClip], precision: str, workers: int, path: Path) -> None:
        asked.append([clip.name for clip in todo])
        with path.open("a", encoding="utf-8") as file:
            for clip in todo[:2]:  # as if it had been broken off
                texts = {"int8": Transcripts("one", "one")}
                file.write(ClipResult(clip.name, clip.group, precision, clip.text, 0.0, texts, 1.0).line() + "\n")

    monkeypatch.setattr(npu_transcripts, "clips", lambda _audio: [_clip(name) for name in "abcde"])
    monkeypatch.setattr(npu_transcripts, "run", run)
    monkeypatch.setattr("sys.argv", ["bench", "--clips", "4", "--out", str(out)])
    for _ in range(3):
        main()
    assert asked == [["a", "b", "c", "d"], ["c", "d"]]
    assert [one.clip for one in read(out)] == ["a", "b", "c", "d"]
    assert "| all | 4 |" in capsys.readouterr().out


@pytest.mark.slow
def test_no_clip_was_trained_on() -> None:
    audio = npu_transcripts.AUDIO
    if not (audio / "MANIFEST.tsv").is_file():
        pytest.skip("the recordings are not here")
    names = {clip.name for clip in clips(audio)}
    assert len(names) >= 200
    assert not names & {f"kathleen16k/{clip.path.name}" for clip in kathleen(audio, "train")}


@pytest.mark.slow
def test_the_stages_give_the_states_of_the_kernels_driven_directly() -> None:
    samples = np.concatenate(list(AudioStream(DEMO_DIR / "sample.wav")))[:WINDOW_SAMPLES]
    np.testing.assert_array_equal(variant("bf16")(samples), variant("direct-bf16")(samples))
