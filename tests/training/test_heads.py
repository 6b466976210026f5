"""The training of heads: its windows and targets are true, and a head learns from them."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from kernels.mel.audio import SAMPLE_RATE
from server.pipeline.stages.ctc import CtcHead
from training.heads import fit
from training.heads.card import render
from training.heads.fit import ALPHABET, Example, as_heard, evenly
from training.heads.measure import MARGIN, Quality, cut
from training.heads.speech import Speech, spelled, window
from training.heads.texts import Words
from training.utterance import Span


def voiced(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(1).normal(0, 0.1, int(seconds * SAMPLE_RATE)).astype(np.float32)


def test_sentences_are_whole_words_of_the_vocabulary(demo_model: Path) -> None:
    words = Words.of(demo_model / "tokenizer.json", "en")
    assert len(words.words) > 100
    texts = [words.sentence(Random(seed)) for seed in range(20)]
    assert all(spelled(word) in words.words for text in texts for word in text.split())
    assert all(3 <= len(text.split()) <= 13 and text[-1] in ".?" for text in texts)


def test_words_lie_where_their_sound_lies() -> None:
    """Bursts of 0.2 s with 0.1 s of silence around them are louder inside their words than anywhere else."""
    burst = np.concatenate([np.zeros(1600, np.float32), voiced(0.2), np.zeros(1600, np.float32)])
    found = window(lambda: Speech(burst, (Span("a", 0.1, 0.3),)), Random(3))
    assert len(found.samples) == 30 * SAMPLE_RATE
    assert len(found.words) > 10
    inside = np.zeros(len(found.samples), bool)
    for word in found.words:
        inside[int(word.start * SAMPLE_RATE) : int(word.end * SAMPLE_RATE)] = True
    power = found.samples**2
    assert power[inside].mean() > 5 * power[~inside].mean()


def test_letters_are_spread_evenly_then_placed_as_heard() -> None:
    """The head of this test hears the second letter from the third of nine frames on."""
    states = np.zeros((12, 1 + len(ALPHABET)), np.float16)
    said = [0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 0, 0]
    states[np.arange(12), said] = 20
    example = Example.of(states, [Span("ab", 0.02, 0.2)])
    assert evenly(example).tolist() == [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0]
    head = CtcHead(
        np.eye(1 + len(ALPHABET), dtype=np.float32), np.zeros(1 + len(ALPHABET), np.float32), ALPHABET, unbroken=True
    )
    assert as_heard(example, head).tolist() == said


def test_a_head_learns_the_letters_of_simple_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "ROUNDS", (4, 12))
    rng = np.random.default_rng(0)
    examples = []
    for _ in range(16):
        states = rng.normal(0, 0.3, (60, 6)).astype(np.float16)
        states[10:20, 1] += 3
        states[20:40, 2] += 3
        examples.append(Example.of(states, [Span("ab", 0.2, 0.8)]))
    head = fit.train(examples)
    (times,) = head.words(examples[0].states.astype(np.float32), ["ab"])
    assert times is not None
    assert times[:2] == pytest.approx((0.2, 0.8), abs=0.021)


def test_a_clip_is_cut_where_its_energy_begins_and_ends() -> None:
    quiet = np.random.default_rng(2).normal(0, 1e-4, SAMPLE_RATE).astype(np.float32)
    clip, first, last = cut(np.concatenate([quiet, voiced(0.5), quiet]))
    assert first == pytest.approx(MARGIN, abs=0.006)
    assert last - first == pytest.approx(0.5, abs=0.012)
    assert len(clip) / SAMPLE_RATE == pytest.approx(0.5 + 2 * MARGIN, abs=0.012)


def test_the_figures_of_the_card() -> None:
    quality = Quality.of(np.array([-0.01, 0.02, 0.03]))
    assert (quality.edges, quality.median, quality.bias) == (3, 0.02, 0.02)
    row = {"edges": 3, "median": 0.02, "percentile_95": 0.029, "bias": 0.02}
    text = render({"base": {"measured": "2026-12-01", "sets": {"librivox_align": {"start": row}}}})
    assert "| base | librivox_align | start | 3 | 20 ms | 29 ms | +20 ms |" in text
