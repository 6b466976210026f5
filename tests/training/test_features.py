"""The training features are Whisper's log-mel features."""

from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from training.features import log_mel, scaled, trim

RNG = np.random.default_rng(0)


def test_features_equal_faster_whisper_s() -> None:
    samples = (RNG.normal(0, 0.1, 16_000 * 3) * np.linspace(0, 1, 48_000)).astype(np.float32)
    reference = FeatureExtractor()(samples, padding=0)
    ours = scaled(log_mel(samples)).T
    assert ours.shape == (80, 300)
    assert np.abs(ours - reference[:, :300]).max() < 2e-4


def test_silence_at_both_ends_is_cut() -> None:
    tone = np.sin(np.arange(16_000) * 0.3).astype(np.float32)
    samples = np.concatenate([np.zeros(16_000, np.float32), tone, np.zeros(8000, np.float32)])
    cut, start = trim(samples, margin=800)
    assert start == pytest.approx(0.95, abs=0.011)
    assert len(cut) == pytest.approx(16_000 + 1600, abs=320)


def test_nothing_but_silence_is_left_alone() -> None:
    silence = np.zeros(4000, np.float32)
    assert len(trim(silence)[0]) == 4000
