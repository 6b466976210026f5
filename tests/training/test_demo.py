"""The committed demo model: complete, small, loadable, and described by the figures that were measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel
from tokenizers import Tokenizer

from server.pipeline.stages.ctc import CtcHead
from training.card import inserted, render
from training.tokenizer import SPECIALS, TEXT_TOKENS, TIMESTAMPS

DEMO = Path(__file__).parents[2] / "models/demo"


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEMO / "metrics.json").read_text())
    return found


@pytest.fixture(scope="module")
def model() -> WhisperModel:
    return WhisperModel(str(DEMO), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)


def test_it_is_complete_and_small() -> None:
    sizes = {path.name: path.stat().st_size for path in DEMO.iterdir()}
    needed = {"config.json", "model.bin", "tokenizer.json", "vocabulary.json", "preprocessor_config.json",
              "ctc_head.npz", "MODEL_CARD.md", "metrics.json"}  # fmt: skip
    assert needed <= sizes.keys()
    assert sum(sizes.values()) <= 15 * 2**20


def test_its_tokens_are_in_whisper_s_order() -> None:
    tokenizer = Tokenizer.from_file(str(DEMO / "tokenizer.json"))
    expected = [*SPECIALS, *TIMESTAMPS]
    assert [tokenizer.token_to_id(token) for token in expected] == [TEXT_TOKENS + i for i in range(len(expected))]


def test_faster_whisper_runs_it_on_silence(model: WhisperModel) -> None:
    segments, info = model.transcribe(np.zeros(16_000, np.float32), language="en", beam_size=1)
    assert len(list(segments)) <= 1
    assert info.duration == 1


def test_the_head_fits_the_encoder(model: WhisperModel) -> None:
    head = CtcHead.load(DEMO)
    assert head is not None
    states = np.asarray(model.encode(np.zeros((80, 3000), np.float32)))
    assert states.shape == (1, 1500, head.weight.shape[1])
    assert len(head.alphabet) == 28


def test_card_and_measurement_agree(measured: dict[str, Any]) -> None:
    card = (DEMO / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert inserted(card, render(measured)) == card
    assert all(f"{found['wer']:.1%}" in card for found in measured["word_error_rate"]["sets"].values())


def test_a_card_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="measured"):
        inserted("# Card\n", "text")
