"""The likeliest languages of a window's pieces, given their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from server.pipeline.stages.hearing import QUIET, likeliest_languages, quiet_states

ENGLISH = {"en": 0.9, "de": 0.02, "nl": 0.08}
CLEARLY_ENGLISH = {"en": 0.996, "de": 0.002, "nl": 0.002}
CLEARLY_GERMAN = {"en": 0.002, "de": 0.996, "nl": 0.002}
GERMAN = {"en": 0.02, "de": 0.9, "nl": 0.08}
UNSURE = {"en": 0.2, "de": 0.45, "nl": 0.35}


@pytest.mark.parametrize(
    ("pieces", "expected", "found"),
    [
        ([ENGLISH, ENGLISH], "en", "en en"),
        ([ENGLISH, ENGLISH, GERMAN], "en", "en en de"),
        ([ENGLISH, GERMAN, GERMAN], "de", "de de de"),
        ([CLEARLY_ENGLISH, GERMAN, GERMAN], "de", "en de de"),
        ([ENGLISH, UNSURE, ENGLISH], "en", "en en en"),
        ([UNSURE], "en", "en"),
        ([GERMAN], "en", "de"),
        ([ENGLISH, GERMAN, ENGLISH], "en", "en en en"),
        ([ENGLISH, CLEARLY_GERMAN, ENGLISH], "en", "en de en"),
        ([GERMAN, UNSURE, ENGLISH], "nl", "de de en"),
    ],
)
def test_a_language_changes_only_where_that_is_clear(
    pieces: Sequence[dict[str, float]], expected: str, found: str
) -> None:
    assert likeliest_languages(pieces, expected) == found.split()


def test_impossible_languages_do_not_trouble() -> None:
    assert likeliest_languages([{"en": 1.0, "de": 0.0}, {"en": 1.0, "de": 0.0}], "de") == ["en", "en"]


def test_the_states_of_silence_are_spread_over_the_window() -> None:
    states = np.arange(1500, dtype=np.float32)[:, None]
    quiet = quiet_states(states)
    assert quiet.shape == (QUIET, 1)
    assert (quiet[0, 0], quiet[-1, 0]) == (500.0, 1480.0)
