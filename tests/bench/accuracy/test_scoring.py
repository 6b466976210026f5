from __future__ import annotations

import pytest

from bench.accuracy.scoring import Errors, difference, total, word_errors


@pytest.mark.parametrize(
    ("said", "heard", "language", "wrong", "words"),
    [
        ("Mr. Quilter isn't 20!", "mister quilter is not twenty", "en", 0, 5),
        ("The cat sat here.", "the mat sat", "en", 2, 4),
        ("Die Straße, bitte.", "die Strasse bitte", "de", 1, 3),
        ("広州市", "広州", "zh", 1, 3),
        ("word", "", "en", 1, 1),
    ],
)
def test_errors_in_whispers_normal_form(said: str, heard: str, language: str, wrong: int, words: int) -> None:
    assert word_errors(said, heard, language) == Errors(wrong, words)


def test_rate_of_a_sum() -> None:
    assert total([Errors(1, 10), Errors(2, 5)]).rate == 20.0


def test_a_difference_and_its_interval() -> None:
    mine = [Errors(number % 3, 10) for number in range(90)]
    other = [Errors(1, 10)] * 90
    more, low, high = difference(mine, other)
    assert more == 0.0
    assert -2.5 < low < 0.0 < high < 2.5
    assert difference(mine, mine) == (0.0, 0.0, 0.0)
    worse = [Errors(errors.wrong + 1, 10) for errors in mine]
    assert difference(worse, mine) == pytest.approx((10.0, 10.0, 10.0))
