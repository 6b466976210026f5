"""The check of how much of the speech in a window its words account for."""

from __future__ import annotations

import pytest

from server.pipeline.stages.coverage import is_crowded, is_sparse, letters, lost_speech, seconds
from server.transcript import Word

SPEECH = ((0.0, 4.0), (5.0, 12.0))


def test_words_that_fill_the_speech_leave_nothing() -> None:
    words = [Word("wonderful", start / 2, (start + 1) / 2) for start in range(24)]
    assert lost_speech(SPEECH, words) == ()


def test_a_word_over_seconds_of_speech_hides_a_loss() -> None:
    words = [Word("Der", 0.1, 8.6), Word("hinter", 8.6, 9.2), Word("diesem", 9.2, 12.0)]
    [(start, end)] = lost_speech(SPEECH, words)
    assert start == pytest.approx(0.1 + 0.25 + 3 * 0.12)
    assert end == 8.6


def test_a_word_over_a_pause_hides_none() -> None:
    words = [Word("country", 0.0, 19.0), Word("After", 19.0, 20.0)]
    assert lost_speech(((0.0, 1.0), (19.0, 20.0)), words) == ()


def test_speech_after_the_last_word_is_lost() -> None:
    assert lost_speech(SPEECH, [Word("Yes", 0.0, 0.4)]) == ((0.4, 12.0),)
    assert lost_speech(SPEECH, []) == ((0.0, 12.0),)
    assert lost_speech((), []) == ()
    assert lost_speech(((0.0, 1.9),), []) == (), "that may be a noise"


def test_the_length_of_a_text_is_that_of_its_sound() -> None:
    assert letters("It's 42 %") == 3 + 8 + 4
    assert letters("客観") > letters("だ") > letters("a")


def test_a_text_may_be_too_short_or_too_long_for_the_seconds() -> None:
    sentence = "And so my fellow Americans, ask not what your country can do for you"
    assert not is_sparse(((0.0, 5.0),), sentence)
    assert is_sparse(((0.0, 16.0),), sentence)
    assert not is_crowded(((0.0, 5.0),), sentence)
    assert is_crowded(((0.0, 2.0),), sentence)
    assert is_crowded(((0.0, 7.7),), "no, " * 53), "a loop of base on fourteen"
    assert not is_crowded(((0.0, 7.0),), "testing, " * 12)


def test_seconds_of_speech_between_two_moments() -> None:
    assert seconds(SPEECH) == 11.0
    assert seconds(SPEECH, 3.0, 6.0) == 2.0
