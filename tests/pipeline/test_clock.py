"""The clock of a request's stages: every moment is charged once, to the stage that spent it."""

from __future__ import annotations

import pytest

from server.pipeline import clock as module
from server.pipeline.clock import StageClock


class Hands:
    """A clock that only the test advances, in seconds."""

    now = 100.0

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(module, "perf_counter", lambda: hands.now)
    return hands


def spent(clock: StageClock) -> dict[tuple[str, str], float]:
    return {(item.stage, item.device): item.ms for item in clock.times()}


def test_the_inner_stage_stops_the_outer_clock(hands: Hands) -> None:
    clock = StageClock()
    with clock.stage("vad", "cpu"):
        hands.pass_by(1)
        with clock.stage("decode", "cpu"):
            hands.pass_by(2)
        hands.pass_by(4)
    hands.pass_by(8)
    assert spent(clock) == {("vad", "cpu"): 5000, ("decode", "cpu"): 2000}


def test_the_same_stage_on_two_devices_is_told_apart(hands: Hands) -> None:
    clock = StageClock()
    for device in ("npu", "cpu", "npu"):
        with clock.stage("mel", device):
            hands.pass_by(1)
    assert spent(clock) == {("mel", "npu"): 2000, ("mel", "cpu"): 1000}


def test_an_error_inside_ends_the_stage(hands: Hands) -> None:
    clock = StageClock()

    def broken() -> None:
        with clock.stage("mel", "cpu"):
            hands.pass_by(1)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    with clock.stage("encoder", "npu"):
        hands.pass_by(2)
    assert spent(clock) == {("mel", "cpu"): 1000, ("encoder", "npu"): 2000}
