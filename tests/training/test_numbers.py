"""Numbers, dates and digits written as words."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import numbers

UNIT = {word: value for value, word in enumerate(numbers.UNITS)} | {
    word: 10 * (value + 2) for value, word in enumerate(numbers.TENS)
}


def value_of(text: str) -> int:
    """Parse a number in words, without the code that wrote it."""
    total = part = 0
    for word in text.split():
        if word == "hundred":
            part *= 100
        elif word in ("thousand", "million"):
            total += part * {"thousand": 1000, "million": 10**6}[word]
            part = 0
        elif word != "and":
            part += UNIT[word]
    return total + part


@given(st.integers(0, 10**9 - 1), st.booleans())
def test_a_spelled_number_reads_back(number: int, joined_by_and: bool) -> None:
    assert value_of(numbers.spell(number, joined_by_and)) == number


@pytest.mark.parametrize(
    ("number", "joined_by_and", "words"),
    [
        (0, False, "zero"),
        (42, False, "forty two"),
        (205, True, "two hundred and five"),
        (205, False, "two hundred five"),
        (2026, False, "two thousand twenty six"),
        (1_000_001, True, "one million and one"),
        (1_200_000, True, "one million two hundred thousand"),
    ],
)
def test_how_numbers_are_said(number: int, joined_by_and: bool, words: str) -> None:
    assert numbers.spell(number, joined_by_and) == words


@pytest.mark.parametrize("number", [-1, 10**9])
def test_numbers_out_of_range_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="can spell"):
        numbers.spell(number)


@given(st.integers(0, 10**6))
def test_digit_strings_are_digits(seed: int) -> None:
    words = numbers.digit_string(Random(seed)).split()
    assert 3 <= len(words) <= 10
    assert set(words) <= set(numbers.DIGITS)
