"""The batch size follows the speed of the batches that requests brought; the times are made up here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.engine.worker.decoder_speed import ENOUGH, EXPECTED, GAIN, KEPT, DecoderSpeed

TOKENS = 60  # of one window of speech


def learn(speed: DecoderSpeed, size: int, ms: float, times: int = ENOUGH) -> None:
    for _ in range(times):
        speed.add(windows=size, tokens=TOKENS * size, seconds=ms * TOKENS * size / 1e3)


def test_a_long_file_is_decoded_in_large_batches_before_anything_was_measured() -> None:
    assert DecoderSpeed(8).best == 8
    assert DecoderSpeed(3).best == 2
    assert DecoderSpeed(1).best == 1


@given(st.dictionaries(st.sampled_from([1, 2, 4, 8]), st.floats(1.0, 1e4), min_size=4))
def test_the_smallest_size_that_is_not_beaten(ms: dict[int, float]) -> None:
    speed = DecoderSpeed(8)
    for size, each in ms.items():
        learn(speed, size, each)
    assert speed.measured == pytest.approx(ms)
    assert ms[speed.best] <= min(ms.values()) * (1 + GAIN) * (1 + 1e-9)
    assert all(ms[smaller] > min(ms.values()) * (1 + GAIN) * (1 - 1e-9) for smaller in ms if smaller < speed.best)


def test_clips_alone_do_not_talk_a_long_file_out_of_large_batches() -> None:
    speed = DecoderSpeed(8)
    learn(speed, 1, 5.0, times=100)
    assert speed.best == 8, "nothing is known of larger batches, so they are expected to help"


def test_a_machine_on_which_batches_do_not_help_takes_small_ones() -> None:
    speed = DecoderSpeed(8)
    learn(speed, 8, 10.0)
    learn(speed, 1, 10.0)
    assert speed.best == 1


def test_one_slow_batch_among_others_changes_nothing() -> None:
    speed = DecoderSpeed(8)
    learn(speed, 8, 5.0, times=4)
    learn(speed, 1, 9.0, times=4)
    learn(speed, 8, 500.0, times=1)
    assert speed.best == 8


def test_the_speed_of_today_replaces_that_of_yesterday() -> None:
    speed = DecoderSpeed(8, {8: [5.0] * KEPT, 1: [9.0] * KEPT})
    assert speed.best == 8
    learn(speed, 8, 9.0, times=KEPT)
    assert speed.best == 1


def test_short_texts_and_odd_sizes_count_for_nothing() -> None:
    speed = DecoderSpeed(8)
    for _ in range(10):
        speed.add(windows=1, tokens=5, seconds=1.0)
        speed.add(windows=3, tokens=300, seconds=1.0)
    assert speed.batches == {}
    assert "until requests have shown" in str(speed)


def test_the_measurement_is_told_to_people() -> None:
    speed = DecoderSpeed(8)
    learn(speed, 1, 9.0)
    learn(speed, 8, 5.0)
    assert str(speed) == "batches of up to 8 (ms for a token by windows in the batch 1: 9.0, 8: 5.0)"


def test_expected_sizes_gain_by_more_than_the_threshold() -> None:
    assert all(EXPECTED[size] > EXPECTED[8] * (1 + GAIN) for size in (1, 2, 4))
