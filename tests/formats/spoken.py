"""Segments and their words, as tests of subtitles need them."""

from __future__ import annotations

from server.transcript import Segment, Word


def segment(text: str, start: float, end: float, words: tuple[Word, ...] = (), speaker: str | None = None) -> Segment:
    return Segment(0, start, end, text, (), -0.1, 1.0, 0.0, 0.0, 0, words, speaker)


def spoken(text: str, start: float, seconds_per_word: float = 0.4, speaker: str | None = None) -> Segment:
    """Return a segment whose words, between spaces, follow one another without a pause."""
    words = tuple(
        Word(word, start + i * seconds_per_word, start + (i + 1) * seconds_per_word)
        for i, word in enumerate(text.split())
    )
    return segment(text, start, words[-1].end, words, speaker)


def spoken_characters(text: str, start: float, seconds_per_character: float = 0.2) -> Segment:
    """Return a segment whose characters are its words, as in languages without spaces."""
    words = tuple(
        Word(char, start + i * seconds_per_character, start + (i + 1) * seconds_per_character)
        for i, char in enumerate(text)
    )
    return segment(text, start, words[-1].end, words)
