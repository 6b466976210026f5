"""Where lines may be broken, by script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.formats.line_breaks import clean, line_starts, pieces, width


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("Grüße", 5),
        ("e\u0301", 1),
        ("日本語。", 8),
        ("ｱｲｳ", 3),
        ("ไม้", 2),
        ("👩‍👩‍👧", 2),
        ("😀", 2),
        ("한글", 4),
        ("", 0),
    ],
)
def test_width_on_the_screen(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Well-known words, said.", "Well-known |words, |said."),
        ("Quoi ? « Rien » dit-il", "Quoi ? |« Rien » |dit-il"),
        ("Quoi\u00a0? Rien", "Quoi\u00a0? |Rien"),
        ("안녕하세요 여러분", "안녕하세요 |여러분"),
        ("明日は「東京」に行きます。", "明日は|「東京」に|行きます。"),
        ("我们明天去北京。", "我们|明天|去|北京。"),
        ("我們明天去旅行。", "我們|明天|去|旅行。"),
        ("วันนี้อากาศดีมาก", "วัน|นี้|อากาศ|ดี|มาก"),
        ("price 3.5円です", "price |3.5円です"),
    ],
)
def test_pieces(text: str, cut: str) -> None:
    assert "|".join(pieces(text, 42)) == cut


def test_a_phrase_too_wide_is_cut_between_characters() -> None:
    assert pieces("アーティスティックスイミング", 8) == [
        "アー",
        "ティ",
        "ス",
        "ティッ",
        "ク",
        "ス",
        "イ",
        "ミ",
        "ン",
        "グ",
    ]
    assert pieces("ສະບາຍດີ", 4) == ["ສະ", "ບາ", "ຍ", "ດີ"]


def test_a_word_is_never_cut() -> None:
    assert pieces("Donaudampfschifffahrt ahoi", 5) == ["Donaudampfschifffahrt ", "ahoi"]


def test_lines_are_about_equal() -> None:
    texts = pieces("one two three four five six seven eight nine", 42)
    assert line_starts(texts, 42) == [0, 5]


TEXTS = st.text("ab ,.«»日本っー。「」ไม้่ก็ດີ😀e\u0301\u200b", max_size=60)


@given(TEXTS, st.integers(1, 30))
def test_pieces_joined_are_the_text(text: str, limit: int) -> None:
    text = clean(text).strip()
    cut = pieces(text, limit)
    assert "".join(cut) == text
    assert all(cut)
    assert sum(width(piece) for piece in cut) == width(text)
    starts = line_starts(cut, limit)
    for begin, end in zip(starts, [*starts[1:], len(cut)], strict=True):
        assert width("".join(cut[begin:end]).rstrip()) <= limit or end - begin == 1
