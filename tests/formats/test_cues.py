"""The times of cues, and where sentences are cut or share one."""

from __future__ import annotations

import pytest

from server.formats.cues import SubtitleLayout, cues
from server.transcript import Segment, Word
from tests.formats.spoken import segment, spoken


def shown(*segments: Segment) -> list[tuple[int, int, str]]:
    return [(cue.start, cue.end, cue.text) for cue in cues(segments, SubtitleLayout())]


def test_a_short_cue_stays_for_a_second() -> None:
    assert shown(spoken("Yes.", 1.0, 0.18)) == [(1000, 2000, "Yes.")]


def test_a_cue_never_overlaps_the_next() -> None:
    assert shown(spoken("Yes.", 1.0, 0.2, "A"), spoken(" No, not at all.", 1.5, 0.4, "B")) == [
        (1000, 1500, "Yes."),
        (1500, 3100, "No, not at all."),
    ]


def test_sentences_that_are_gone_too_soon_share_a_cue() -> None:
    assert [text for _, _, text in shown(spoken("Yes.", 1.0, 0.2), spoken(" No.", 1.3, 0.2))] == ["Yes. No."]


def test_sentences_with_time_to_read_have_cues_of_their_own() -> None:
    first, second = spoken("One two three four five.", 0.0), spoken(" Six seven eight nine.", 2.0)
    assert [text for _, _, text in shown(first, second)] == ["One two three four five.", "Six seven eight nine."]


def test_fast_speech_stays_in_the_silence_behind_it() -> None:
    text = " ".join(["extraordinary"] * 5)
    ((start, end, _),) = shown(spoken(text, 0.0, 0.2))
    assert (start, end) == (0, 3286)  # 69 characters at 21 a second


def test_no_word_is_shown_long_before_it_is_said() -> None:
    words = (Word("After", 0.0, 0.4), Word("that", 1.5, 1.8), Word("nothing", 1.8, 2.4), Word("came.", 2.4, 3.0))
    assert shown(segment("After that nothing came.", 0.0, 3.0, words)) == [
        (0, 1000, "After"),
        (1500, 3000, "that nothing came."),
    ]


def test_parts_of_a_long_segment_are_about_equal() -> None:
    text = " " + " ".join(["word"] * 18) + "."
    assert sorted(len(text) for _, _, text in shown(spoken(text, 0.0, 0.3))) == [44, 45]


def test_a_sentence_is_cut_at_a_comma_rather_than_elsewhere() -> None:
    text = "When the sun had gone down behind the hills, all the animals of the great forest came out of their holes."
    assert next(text for _, _, text in shown(spoken(text, 0.0, 0.3))) == "When the sun had gone down behind the hills,"


def test_slow_speech_is_cut_by_time() -> None:
    assert shown(spoken("one two three four", 0.0, 3.0)) == [(0, 6000, "one two"), (6000, 12000, "three four")]


def test_a_word_of_ten_seconds_is_shown_for_seven() -> None:
    assert shown(spoken("Hmm", 0.0, 10.0)) == [(0, 7000, "Hmm")]


def test_text_without_words_is_spread_over_its_time() -> None:
    divided = shown(segment("many words " * 20, 1.0, 20.0))
    assert (divided[0][0], divided[-1][1]) == (1000, 20000)
    assert all(end - start <= 7000 for start, end, _ in divided)


def test_words_that_are_not_in_the_text_lose_nothing() -> None:
    words = (Word("nine", 0.0, 0.5), Word("b", 0.5, 1.0))
    assert [text for _, _, text in shown(segment("9 b c", 0.0, 1.0, words))] == ["9 b c"]


@pytest.mark.parametrize("start", [0.0, 3.0])
def test_speakers_who_talk_at_once_are_shown_at_once(start: float) -> None:
    both = shown(spoken("one two three four", start, 1.0, "A"), spoken("five six seven eight", start + 0.2, 1.0, "B"))
    assert [end - begin for begin, end, _ in both] == [4000, 4000]
    assert [begin for begin, _, _ in both] == [start * 1000, start * 1000 + 200]
