"""Word times by both aligners: cross-attention and CTC head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.pipeline.encoding.cpu_mel import CpuMel
from server.pipeline.encoding.ct2_encoder import Ct2Encoder
from server.pipeline.stages.align import MEDIAN_FRAMES, AttentionAligner, CtcAligner
from server.pipeline.stages.ctc import CtcHead
from server.pipeline.stages.protocols import Spoken
from server.pipeline.stages.text import TokenWord, split_words
from server.pipeline.stages.whisper import Checkpoint
from server.pipeline.window import Window
from server.settings.stages import ModelSettings
from tests.audio_files import tone


@pytest.fixture(scope="module")
def checkpoint(tiny_multilingual: Path) -> Checkpoint:
    return Checkpoint(tiny_multilingual, ModelSettings(compute_type="float32"))


@pytest.fixture(scope="module")
def spoken(checkpoint: Checkpoint) -> list[Spoken]:
    windows = [Window(0, 0.0, tone(4.0)), Window(1, 7.0, tone(9.5, hertz=200)), Window(2, 30.0, tone(1.0))]
    states = Ct2Encoder(checkpoint)(CpuMel(80)([window.samples for window in windows]))
    tokenizer = checkpoint.tokenizer("en", "transcribe")
    texts = [" bada bede bidi", " Größe, 42.", ""]
    words = [split_words(tokenizer, tokenizer.encode(text)) for text in texts]
    return [Spoken(*item) for item in zip(windows, states, words, strict=True)]


def test_attention_times_are_ordered_and_inside_the_audio(checkpoint: Checkpoint, spoken: list[Spoken]) -> None:
    align = AttentionAligner(checkpoint, checkpoint.tokenizer("en", "transcribe"))
    for item, times in zip(spoken, align(spoken), strict=True):
        assert len(times) == len(item.words)
        clock = 0.0
        for found in times:
            assert found is not None
            start, end, score = found
            assert clock <= start <= end <= item.window.end - item.window.start
            assert score is not None
            assert 0 <= score <= 1
            clock = start


def test_attention_agrees_with_faster_whisper(checkpoint: Checkpoint, spoken: list[Spoken]) -> None:
    from faster_whisper import WhisperModel

    from server.pipeline.stages.whisper import storage

    tokenizer = checkpoint.tokenizer("en", "transcribe")
    theirs = WhisperModel(str(checkpoint.directory), device="cpu", compute_type="float32", local_files_only=True)
    item = spoken[0]
    tokens = [token for word in item.words for token in word.tokens]
    expected = theirs.find_alignment(tokenizer, [tokens], storage(item.states[None]), 400, MEDIAN_FRAMES)[0]
    (times,) = AttentionAligner(checkpoint, tokenizer)([item])
    assert [t[0] for t in times if t] == pytest.approx([word["start"] for word in expected])
    assert [t[2] for t in times if t] == pytest.approx([word["probability"] for word in expected], abs=1e-6)


def test_token_scores_are_log_probabilities_of_the_very_bytes(checkpoint: Checkpoint, spoken: list[Spoken]) -> None:
    align = AttentionAligner(checkpoint, checkpoint.tokenizer("en", "transcribe"))
    for item, scores in zip(spoken, align.token_scores(spoken), strict=True):
        assert b"".join(score.data for score in scores).decode() == "".join(word.text for word in item.words)
        assert all(-25 < score.logprob <= 0 for score in scores)


def test_ctc_finds_words_where_the_head_hears_them() -> None:
    """The head reads the character from the state itself, so the times are known."""
    alphabet = " abc"
    head = CtcHead(np.eye(5, dtype=np.float32) * 20, np.zeros(5, np.float32), alphabet)
    states = np.zeros((1500, 5), np.float32)
    states[:, 0] = 1.0
    for frame, label in {10: 2, 20: 3, 30: 1, 50: 4, 51: 4}.items():
        states[frame] = np.eye(5)[label]
    window = Window(0, 100.0, np.zeros(40_000, np.float32))
    words = [TokenWord(" ab", (1, 2)), TokenWord(" 7", (3,)), TokenWord(" c!", (4, 5))]
    ((first, digit, last),) = CtcAligner(head)([Spoken(window, states, words)])
    assert digit is None
    assert first is not None
    assert last is not None
    assert first[:2] == pytest.approx((0.20, 0.42))
    assert last[:2] == pytest.approx((1.00, 1.04))


def test_ctc_looks_only_where_there_is_audio() -> None:
    head = CtcHead(np.eye(2, dtype=np.float32) * 20, np.zeros(2, np.float32), "a")
    states = np.tile(np.array([1.0, 0.0], np.float32), (1500, 1))
    states[900] = (0.0, 1.0)  # behind the end of the recording
    window = Window(0, 0.0, np.zeros(16_000, np.float32))
    ((times,),) = CtcAligner(head)([Spoken(window, states, [TokenWord(" a", (1,))])])
    assert times is not None
    assert times[1] <= 1.0
