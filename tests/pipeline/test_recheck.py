"""The choice between a window's text and those of its halves."""

from __future__ import annotations

import numpy as np
import pytest

from server.pipeline.lost_speech import cut_at, lost_warning
from server.pipeline.recheck import Half, Recheck
from server.pipeline.stages.decoder import Decoded
from server.pipeline.stages.protocols import WindowText
from server.pipeline.stages.text import TokenWord
from server.pipeline.window import Window


def text(start: float, end: float, *lost: tuple[float, float], language: str = "en", words: int = 1) -> WindowText:
    """Return the text of a window that is all speech."""
    window = Window(0, start, np.zeros(round((end - start) * 16000), np.float32), ((start, end),))
    spoken = Decoded((TokenWord(" Yes", (1,)),) * words, -0.1, 0.0, 1.0, 0.0)
    return WindowText(window, spoken, language=language, lost=lost)


@pytest.mark.parametrize(
    ("lost", "halves_lost", "language", "taken"),
    [(8.0, 0.0, "en", True), (8.0, 7.5, "en", False), (0.0, 0.0, "en", False), (0.0, 0.0, "de", True),
     (0.0, 4.0, "de", False)],
)  # fmt: skip
def test_halves_are_taken_if_they_say_more_or_have_another_language(
    lost: float, halves_lost: float, language: str, taken: bool
) -> None:
    whole = text(0.0, 20.0, (0.0, lost))
    recheck = Recheck(whole, None)
    first, second = text(0.0, 10.0, (0.0, halves_lost)), text(10.0, 20.0, language=language)
    assert recheck.add(1, [second]) is None
    assert recheck.add(0, [first]) == ([first, second] if taken else [whole])


def test_halves_without_a_word_are_no_other_language() -> None:
    whole = text(0.0, 20.0)
    recheck = Recheck(whole, None)
    recheck.add(0, [text(0.0, 10.0)])
    assert recheck.add(1, [text(10.0, 20.0, language="de", words=0)]) == [whole]


def test_a_window_is_cut_three_times_at_most() -> None:
    lost = text(0.0, 20.0, (0.0, 8.0))
    assert cut_at(text(0.0, 20.0), None) is None
    assert cut_at(text(0.0, 20.0, (0.0, 20.0), words=0), None) is None, "the decoder took it for silence"
    half = None
    for _ in range(3):
        assert cut_at(lost, half) is not None
        half = Half(Recheck(lost, half), 0)
    assert half is not None
    assert half.depth == 3
    assert cut_at(lost, half) is None


def test_the_warning_names_the_seconds() -> None:
    assert lost_warning([(3.24, 11.0)]) == "Speech may be missing from the text at 3.2 to 11.0 s."
    assert lost_warning([(n, n + 0.5) for n in range(12)]).endswith("9.0 to 9.5 s and at 2 more places.")
