"""The check whether a window's words account for its speech; speech without a word is a sign that text was lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from server.transcript import Word

LEAST = 2.0  # seconds of speech without a word that count as lost; at most 0.7 on 150 clips of base without a loss
LEAST_WORD, LEAST_LETTER = 0.12, 0.03  # seconds: 3.7 words of five letters or 5.6 times "no" in a second
LONGEST_WORD, LONGEST_LETTER = 0.25, 0.12  # seconds that a word, and each letter of it, take at most
SLOWEST = 7.0  # letters in a second of speech; the slowest of these clips has 9.5

Stretch = tuple[float, float]  # start and end in seconds of the recording
Spans = tuple[Stretch, ...]


def letters(text: str) -> int:
    """Return about how many letters of an alphabet a text would take if it were written out as it is spoken."""
    return sum(map(_letters, text))


def lost_speech(speech: Spans, words: Sequence[Word]) -> Spans:
    """Return the stretches that have at least 2 s of speech and no word, from the end of a word to the next one.

    ``speech`` are the spans of speech of a window, ``words`` its words with times. A word accounts for at most 0.25 s
    and 0.12 s a letter: aligners give a word the time until the next one, also if speech between them has no text.
    """
    return tuple(gap for gap in _gaps(speech, words) if seconds(speech, *gap) >= LEAST)


def is_sparse(speech: Spans, text: str) -> bool:
    """Return True if a text is too short for its seconds of speech, so that some of it may be lost."""
    spoken = seconds(speech)
    return spoken >= LEAST and letters(text) < SLOWEST * spoken


def is_crowded(speech: Spans, text: str) -> bool:
    """Return True if nobody could say the text in the seconds of speech, so that the decoder made some of it up."""
    least = sum(LEAST_WORD + LEAST_LETTER * letters(word) for word in text.split())
    return least > seconds(speech)


def seconds(speech: Spans, begin: float = float("-inf"), end: float = float("inf")) -> float:
    """Return the seconds of speech between two moments of the recording."""
    return sum(max(0.0, min(stop, end) - max(start, begin)) for start, stop in speech)


def _gaps(speech: Spans, words: Sequence[Word]) -> Iterator[tuple[float, float]]:
    if not speech:
        return
    covered = speech[0][0]
    for word in words:
        yield covered, word.start
        covered = max(covered, min(word.end, word.start + LONGEST_WORD + LONGEST_LETTER * letters(word.text)))
    yield covered, speech[-1][1]


def _letters(character: str) -> int:
    if character.isdigit() or character in "%$€£&+=":
        return 4
    if "\u3040" <= character < "\u3100":  # kana, a syllable each
        return 2
    if "\u3400" <= character < "\ud800" and character.isalpha():  # ideographs and Korean syllables
        return 3
    return int(character.isalpha())
