"""Batch sizes follow the measurements, which are made up here."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.engine.messages import GAIN
from server.engine.worker import batch_sizes
from server.engine.worker.batch_sizes import best, describe, measure, measure_stages
from server.pipeline.loaded_model import LoadedModel
from server.settings.stages import DecodeSettings, ModelSettings, StageSettings


@given(st.dictionaries(st.sampled_from([1, 2, 4, 8, 16]), st.floats(1.0, 1e4), min_size=1))
def test_the_smallest_size_that_is_not_beaten(ms: dict[int, float]) -> None:
    size = best(ms)
    assert ms[size] <= min(ms.values()) * (1 + GAIN)
    assert all(ms[smaller] > min(ms.values()) * (1 + GAIN) for smaller in ms if smaller < size)


@pytest.mark.parametrize(("fixed", "each", "size"), [(0.0, 0.1, 1), (1.0, 0.02, 8), (0.05, 0.1, 4)])
def test_a_stage_that_costs_something_per_call_takes_batches(
    fixed: float, each: float, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is the device's own: a call costs ``fixed + each * windows`` seconds."""
    now = [0.0]
    monkeypatch.setattr(batch_sizes, "perf_counter", lambda: now[0])

    def run(windows: int) -> None:
        now[0] += fixed + each * windows

    measured = measure(run, 8, budget=1e9)
    assert sorted(measured) == [1, 2, 4, 8]
    assert measured[4] == pytest.approx((fixed / 4 + each) * 1e3)
    assert best(measured) == size


def test_measuring_stops_within_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count()
    monkeypatch.setattr(batch_sizes, "perf_counter", lambda: float(next(clock)))
    sizes: list[int] = []
    measured = measure(sizes.append, 64, budget=3.0)
    assert list(measured) == [1]
    assert max(sizes) == 1


def test_a_loaded_model_is_measured_and_says_so(tiny_english: Path) -> None:
    settings: dict[str, Any] = {"model": ModelSettings(encoder="ctranslate2"), "decode": DecodeSettings(batch_size=2)}
    measured = measure_stages(LoadedModel("tiny", tiny_english, StageSettings(**settings)))
    for curve in (measured.encoder, measured.decoder):
        assert set(curve) <= {1, 2}
        assert all(ms > 0 for ms in curve.values())
        assert describe(curve).startswith(f"batches of {best(curve)} ")
    assert measured.gain > 0
    assert measured.implementation == "ctranslate2"


def test_on_two_cores_encoder_and_decoder_take_turns(tiny_english: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_sizes, "usable_cores", lambda: 2)
    monkeypatch.setattr(batch_sizes, "overlap_gain", lambda _encode, _decode: 1.8)
    settings: dict[str, Any] = {"model": ModelSettings(encoder="ctranslate2"), "decode": DecodeSettings(batch_size=1)}
    model = LoadedModel("tiny", tiny_english, StageSettings(**settings))
    assert not measure_stages(model).overlap
    monkeypatch.setattr(batch_sizes, "usable_cores", lambda: 4)
    assert measure_stages(model).overlap
