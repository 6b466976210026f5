from __future__ import annotations

import pytest

from bench.report import medians, memory_goal, speed_goals, table, wer_goal, word_error_rate
from bench.runs import RunResult


def _result(total: float, align: float = 0.0, peak: float = 100.0, text: str = "") -> RunResult:
    return RunResult(
        total_ms=total,
        cpu_ms=total,
        load_ms=1.0,
        stages={"encoder": 1.0, "align": align},
        peak_mb=peak,
        audio_seconds=10.0,
        windows=1,
        tokens=2,
        words=3,
        text=text,
    )


def test_medians_of_times_and_the_highest_memory() -> None:
    found = medians([_result(300.0, 30.0, peak=7.0), _result(100.0, 10.0, peak=9.0), _result(200.0, 20.0, peak=8.0)])
    assert (found.total, found.stages["align"], found.peak_mb) == (200.0, 20.0, 9.0)
    assert found.without_align == 180.0


def test_speed_goals_at_their_bounds() -> None:
    ours = medians([_result(110.0, 10.0)])
    assert [t.met for t in speed_goals(ours, medians([_result(330.0, 80.0)]))] == [True, True]
    assert [t.met for t in speed_goals(ours, medians([_result(329.0, 80.0)]))] == [False, False]


def test_memory_goal() -> None:
    small, large = medians([_result(1.0, peak=10.0)]), medians([_result(1.0, peak=11.0)])
    assert memory_goal(small, large).met
    assert memory_goal(small, small).met
    assert not memory_goal(large, small).met


def test_word_error_rate_ignores_case_and_punctuation() -> None:
    assert word_error_rate("Lord, but I'm glad!", "lord but I'm GLAD") == 0.0
    assert word_error_rate("one two three four", "one too three") == 0.5


def test_wer_goal() -> None:
    right, wrong = medians([_result(1.0, text="One two.")]), medians([_result(1.0, text="one")])
    assert wer_goal(right, wrong, "one two").met
    assert not wer_goal(wrong, right, "one two").met


def test_table_names_every_stage_and_what_lies_between() -> None:
    lines = table(medians([_result(100.0, 39.0)]), medians([_result(300.0, 99.0)]))
    rows = {line[:15].strip(): line[15:].split() for line in lines}
    assert {"decode", "vad", "mel", "encoder", "decoder", "align"} <= rows.keys()
    assert rows["other"] == ["60", "200", "3.33"]
    assert rows["total"] == ["100", "300", "3.00"]
    assert rows["x realtime"] == ["100.0", "33.3"]
    assert rows["vad"] == ["0", "0", "-"]


@pytest.mark.parametrize("met", [True, False])
def test_a_target_says_pass_or_fail(met: bool) -> None:
    ours, theirs = medians([_result(100.0)]), medians([_result(400.0 if met else 200.0)])
    assert [str(target)[:4] for target in speed_goals(ours, theirs)] == ["PASS" if met else "FAIL"] * 2
