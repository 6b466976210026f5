"""The pace of a worker: batch sizes that follow real work, and what is kept for the next start."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from server.engine.worker import measurements, pace
from server.engine.worker.measurements import Measurements
from server.engine.worker.pace import Pace
from server.engine.worker.queues import Sizes
from server.pipeline.clock import StageClock
from server.pipeline.loaded_model import LoadedModel
from server.pipeline.stages.decoder import Attempts, Decoded
from server.pipeline.stages.text import TokenWord
from server.pipeline.window import Window
from server.pipeline.work import Work
from server.settings.stages import ModelSettings, StageSettings
from tests.engine.worker.test_decoder_speed import TOKENS


def earlier() -> Measurements:
    return Measurements({8: [5.0] * 3, 1: [9.0] * 3})


def decoded(windows: int, beam_size: int = 5) -> list[Work]:
    """Return windows that were decoded once, each to TOKENS tokens."""
    latest = Decoded((TokenWord("word", tuple(range(TOKENS))),), -0.1, 0.0, 1.0, 0.0)
    attempts = SimpleNamespace(search=SimpleNamespace(beam_size=beam_size), latest=latest)
    works = []
    for index in range(windows):
        work = Work(Window(index, 0.0, np.zeros(1, np.float32)), request=1, clock=StageClock(), warn=print)
        work.encoded(np.zeros((1500, 1), np.float32))
        work.prepare(cast("Attempts", attempts))
        works.append(work)
    return works


def test_real_batches_change_the_sizes_and_are_kept() -> None:
    kept: list[Measurements] = []
    here = Pace(largest=8, beam_size=5, earlier=earlier(), keep=kept.append)
    assert here.sizes == Sizes(1, 8)
    changes = [here.decoded(decoded(8), seconds=9.0 * 8 * TOKENS / 1e3) for _ in range(4)]
    assert here.sizes == Sizes(1, 1)
    assert not changes[0]
    assert any(changes)
    assert kept[-1].decoder[8][-1] == pytest.approx(9.0)


def test_another_beam_size_does_not_count() -> None:
    here = Pace(largest=8, beam_size=5, earlier=earlier())
    assert not any(here.decoded(decoded(8, beam_size=1), seconds=100.0) for _ in range(40))
    assert here.sizes == Sizes(1, 8)


def test_measurements_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "speed" / "one.json"
    assert measurements.read(path) == Measurements()
    measurements.write(path, Measurements({8: [5.0]}, 1.4))
    assert measurements.read(path) == Measurements({8: [5.0]}, 1.4)
    assert [file.name for file in path.parent.iterdir()] == ["one.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"decoder": 3, "gain": null}', '{"decoder": {"x": []}}'])
def test_a_damaged_file_counts_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "one.json"
    path.write_text(text)
    assert measurements.read(path) == Measurements()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    measurements.write(tmp_path / "file" / "one.json", Measurements())


def test_other_arithmetic_has_measurements_of_its_own(tiny_english: Path) -> None:
    one, other = (measurements.place(tiny_english, kind, 5) for kind in ("int8", "float32"))
    assert one != other
    assert one == measurements.place(tiny_english, "int8", 5)


@pytest.mark.parametrize(("gain", "overlap"), [(None, False), (1.0, False), (1.8, True), (7.0, False)])
def test_side_by_side_where_it_gained_before(gain: float | None, overlap: bool) -> None:
    here = Pace(largest=1, beam_size=5, earlier=Measurements({}, gain))
    assert here.overlap is overlap
    assert ("beside" if overlap else "in turn with") in str(here)


def test_on_few_cores_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "usable_cores", lambda: 2)
    assert not pace.should_measure_overlap(Pace(largest=1, beam_size=5))
    monkeypatch.setattr(pace, "usable_cores", lambda: 4)
    assert pace.should_measure_overlap(Pace(largest=1, beam_size=5))
    assert not pace.should_measure_overlap(Pace(largest=1, beam_size=5, beside=True))
    assert not pace.should_measure_overlap(Pace(largest=1, beam_size=5, earlier=Measurements({}, 1.0)))


def test_both_stages_of_a_model_are_timed(tiny_english: Path) -> None:
    model = LoadedModel("tiny", tiny_english, StageSettings(model=ModelSettings(encoder="ctranslate2")))
    assert pace.measured_overlap(model) > 0
    assert Pace.of(model).sizes.encoder == 1
