from __future__ import annotations

from pathlib import Path

import pytest

from bench.accuracy.clips import Clip
from bench.accuracy.report import EXACT_SYSTEM, Scores, goals, report, write_between_markers
from bench.accuracy.transcripts import Hypothesis

TEN = "one two three four five six seven eight nine ten"
CLIPS = [Clip(f"german/{number}.wav", "de", TEN) for number in range(20)]
CLIPS += [Clip(f"english/{number}.wav", "en", "alpha beta gamma delta") for number in range(20)]


def _scores(wrong: int = 0, clips: int = 40) -> Scores:
    """Scores with ``wrong`` wrong words in the first German clip."""
    heard = {clip.file: Hypothesis(clip.file, clip.text, clip.language, 1.0) for clip in CLIPS[:clips]}
    first = CLIPS[0]
    words = first.text.split()
    text = " ".join(["wrong"] * wrong + words[wrong:])
    heard[first.file] = Hypothesis(first.file, text, "nl" if wrong else "de", 1.0)
    return Scores.of(CLIPS, heard)


def test_scores_of_what_was_transcribed() -> None:
    scores = _scores(wrong=2, clips=25)
    assert len(scores.errors) == 25
    assert scores.errors["german/0.wav"].wrong == 2
    assert scores.misheard == {"german/0.wav"}


@pytest.mark.parametrize(("wrong", "expected"), [(0, [True, True, True]), (3, [False, True, False])])
def test_goals_beside_float32_and_the_better_peer(wrong: int, expected: list[bool]) -> None:
    scores = {
        EXACT_SYSTEM: _scores(),
        "ours-ctranslate2-int8": _scores(wrong),
        "faster-whisper": _scores(),
        "whisperx": _scores(wrong=6),
    }
    assert [goal.met for goal in goals(scores) if goal.name.startswith("ours-ctranslate2-int8")] == expected


def test_four_words_of_one_set_are_too_many() -> None:
    scores = {EXACT_SYSTEM: _scores(), "ours-ctranslate2-int8": _scores(wrong=4)}
    failed = [goal.name for goal in goals(scores) if not goal.met]
    assert "ours-ctranslate2-int8 at most 3 wrong words above the float32 encoder on german" in failed


def test_systems_are_compared_on_the_clips_that_both_have() -> None:
    lines = report({"ours": _scores(wrong=2), "faster-whisper": _scores(), "whisperx": _scores(clips=20)})
    assert "| **all** | 20 | 200 | 1.00 | 0.00 | 0.00 |" in lines
    assert "On the 40 clips that some have transcribed:" in lines
    assert "| **all** | 40 | 280 | 0.71 | 0.00 |" in lines
    assert "| german | 20 | 200 | 1.00 | 0.00 |" in lines
    assert "| language en | 20 | 80 | 0.00 | 0.00 |" in lines
    assert "| clips heard as another language | 40 | | 1 | 0 |" in lines
    assert any(line.startswith("- ours less faster-whisper: +0.71 points on 40 clips") for line in lines)


def test_the_page_is_written_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- accuracy base -->\nold\n<!-- /accuracy base -->\nafter\n")
    write_between_markers(page, "accuracy base", ["new"])
    assert page.read_text() == "before\n<!-- accuracy base -->\nnew\n<!-- /accuracy base -->\nafter\n"
    with pytest.raises(ValueError, match="lacks"):
        write_between_markers(page, "accuracy tiny.en", ["new"])
