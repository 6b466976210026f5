"""The thresholds of silence and failure, and the cut of repeated phrases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.pipeline.stages.hallucination import compression_ratio, is_silence, kept_words, says_twice, why_failed
from server.settings.stages import DecodeSettings

DEFAULT = DecodeSettings()


@pytest.mark.parametrize(
    ("no_speech", "logprob", "silent"),
    [(0.9, -2.0, True), (0.9, -0.5, False), (0.5, -2.0, False), (0.6, -2.0, False)],
)
def test_silence_needs_both_signs(no_speech: float, logprob: float, silent: bool) -> None:
    assert is_silence(no_speech, logprob, DEFAULT) is silent


def test_thresholds_can_be_switched_off() -> None:
    off = DecodeSettings(no_speech_threshold=None, log_prob_threshold=None, compression_ratio_threshold=None)
    assert not is_silence(1.0, -9.0, off)
    assert why_failed("no no no no no no no", -9.0, off) is None
    assert why_failed("no " * 9, -9.0, off) == "repeats", "the cut of loops has a setting of its own"


def test_failure_by_each_threshold() -> None:
    sentence = "The quick brown fox jumps over the lazy dog while seven wizards watch."
    assert why_failed(sentence, -0.3, DEFAULT) is None
    assert why_failed(sentence, -1.01, DEFAULT) == "log_prob"
    assert why_failed("Thank you for watching. " * 12, -0.1, DEFAULT) == "compression_ratio"


def test_compression_ratio_is_whispers() -> None:
    import zlib

    text = "and so on, and so on, and so on"
    assert compression_ratio(text) == len(text) / len(zlib.compress(text.encode()))
    assert compression_ratio("") == 0.0


def test_a_loop_is_cut_to_the_allowed_repeats() -> None:
    words = ["We", *["thank", "you,"] * 30, "goodbye"]
    kept = [words[index] for index in kept_words(words, 3)]
    assert kept == ["We", *["thank", "you,"] * 3, "goodbye"]


def test_digits_that_repeat_are_speech() -> None:
    words = ["zero", "zero", "zero", "zero", "one", "one", "one", "one"]
    assert kept_words(words, 8) == list(range(8))


def test_a_cut_that_makes_a_new_loop() -> None:
    assert kept_words("b c b c c".split(), 1) == [0, 1]  # noqa: SIM905


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=60), st.integers(1, 9))
def test_what_is_kept_has_no_loop_left(words: list[str], limit: int) -> None:
    kept = [words[index] for index in kept_words(words, limit)]
    for start in range(len(kept)):
        run = 1
        while start + run < len(kept) and kept[start + run] == kept[start]:
            run += 1
        assert run <= limit


@given(st.lists(st.integers(0, 10**6), max_size=40, unique=True))
def test_text_without_repeats_is_untouched(numbers: list[int]) -> None:
    words = [str(number) for number in numbers]
    assert kept_words(words, 1) == list(range(len(words)))


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ("He stood undecided, his ears strained to catch the slightest sound. " * 2, True),
        ("And then we left. We left at once. We left at once.", True),
        ("No, no. Very, very good, very good.", False),
        ("Ask not what your country can do for you, ask what you can do for your country.", False),
        ("", False),
    ],
)
def test_a_phrase_that_is_said_twice_in_a_row(text: str, twice: bool) -> None:
    assert says_twice(text) is twice
