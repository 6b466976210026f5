from __future__ import annotations

from pathlib import Path

import pytest

from bench.npu.results import ClipResult, Rates, Transcripts, differences, goals, read, report


def _compared(clip: str, cpu: str, npu: str, truth: str | None = "one two", group: str = "LibriSpeech") -> ClipResult:
    gap = None if cpu == npu else 0.001
    return ClipResult(clip, group, "bf16", truth, 0.003, {"int8": Transcripts(cpu, npu, gap)}, 5.0)


def _file(path: Path, results: list[ClipResult]) -> Path:
    path.write_text("".join(one.line() + "\n" for one in results), encoding="utf-8")
    return path


def test_a_file_of_results_reads_back(tmp_path: Path) -> None:
    results = [_compared("a", "One.", "Öne."), _compared("b", "Two.", "Two.", truth=None)]
    assert read(_file(tmp_path / "results.jsonl", results)) == results


def test_a_line_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    path = _file(tmp_path / "results.jsonl", [_compared("a", "One.", "One."), _compared("b", "Two.", "Two.")])
    path.write_text(path.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    assert [one.clip for one in read(path)] == ["a"]
    assert read(tmp_path / "nothing.jsonl") == []


def test_one_character_makes_a_difference_but_not_an_error_of_a_word() -> None:
    rates = Rates.of([_compared("a", "One two.", "one two"), _compared("b", "One two.", "One two.")], "int8")
    assert (rates.clips, rates.identical, rates.share) == (2, 1, 0.5)
    assert (rates.words, rates.cpu, rates.npu) == (4, 0.0, 0.0)


def test_error_rates_leave_out_what_nobody_wrote_down() -> None:
    rates = Rates.of([_compared("a", "one", "one too"), _compared("b", "x", "y", truth=None)], "int8")
    assert (rates.clips, rates.identical) == (2, 0)
    assert (rates.words, rates.cpu, rates.npu) == (2, 50.0, 50.0)


@pytest.mark.parametrize(
    ("identical", "npu", "met"),
    [(99, 10.2, [True, True]), (98, 10.0, [False, True]), (100, 10.21, [True, False]), (100, 9.0, [True, True])],
)
def test_goals_at_their_bounds(identical: int, npu: float, met: list[bool]) -> None:
    found = goals(Rates(clips=100, identical=identical, words=1000, cpu=10.0, npu=npu))
    assert [goal.met for goal in found] == met


def test_every_difference_is_listed_with_both_texts() -> None:
    results = [_compared("b", "One too.", "One two."), _compared("a", "Same.", "Same."), _compared("c", "x", "y", None)]
    text = "\n".join(differences(results))
    assert "- b, decoder int8, gap 0.001" in text
    assert "CPU: One too." in text
    assert "NPU: One two." in text
    assert "- a," not in text
    assert text.count("said: not known") == 1


def test_the_report_parts_recordings_from_synthesised_speech() -> None:
    results = [_compared("a", "one two", "one two"), _compared("b", "x", "x", group="in-domain, seen voices: eSpeak")]
    rows = [line for line in report(results) if line.startswith("| ")]
    assert "| recordings | 1 | int8 | 1 (100.0%) | 2 | 0.00 % | 0.00 % |" in rows
    assert "| synthesised | 1 | int8 | 1 (100.0%) | 2 | 100.00 % | 100.00 % |" in rows
    assert "| all | 2 | int8 | 2 (100.0%) | 4 | 50.00 % | 50.00 % |" in rows


def test_the_report_says_how_it_is_where_the_model_understands() -> None:
    rows = list(report([_compared("a", "one two", "one two"), _compared("b", "won too", "one too")]))
    assert any(row.startswith("| all | 2 | int8 | 1 (50.0%)") for row in rows)
    assert any(row.startswith("| half the words right | 1 | int8 | 1 (100.0%)") for row in rows)
