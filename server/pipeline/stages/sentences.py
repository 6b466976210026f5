"""The division of words into sentences, by their full stops, the words around these, and the pauses."""

from __future__ import annotations

import re
from collections.abc import Sequence

from server.pipeline.stages.sentence_tables import (
    BEFORE_A_NUMBER,
    NUMBERS_WITH_FULL_STOP,
    continued,
    continued_or_last,
    starters,
)
from server.pipeline.stages.text import UNSPACED
from server.transcript import Word

LONG_PAUSE = 1.5  # seconds between two words that end a sentence even without a full stop
CLEAR_PAUSE = 0.7  # seconds that tell the full stop of a sentence from that of an abbreviation: longer than in a name
STOPS = "?!。｡．？！؟۔।॥։።፧፨။។៕།༎‼⁇⁈⁉"  # Unicode's Sentence_Terminal in scripts that Whisper writes, and no "."
STOPS_OF = {"el": ";\u037e", "hy": ":"}  # marks that end a sentence in one language only
QUOTES = "\"'“”„‟‘’‚‛«»‹›()[]{}「」『』【】（）〈〉《》［］｛｝〔〕¿¡*"  # marks around a sentence or a word
OPENING = "“„‘‚«‹([{「『【（〈《［｛〔¿¡"  # „so“ and “so”: the marks after a stop are told by their place
ELLIPSIS = re.compile(r"(?:…|\.{2,})$")
DOTTED = re.compile(r"(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}")  # U.S, Ph.D, a.m
LETTER = re.compile(r"[^\W\d_]\.")
NUMBER = re.compile(r"\d[\d./–-]*")  # also 15.5. and 5./6.
ROMAN = re.compile(r"[IVXLC]+")
YEAR = re.compile(r"[12]\d{3}")


def sentence_ends(words: Sequence[Word], language: str) -> list[int]:
    """Return, for each sentence in ``words``, the index after its last word; ``language`` is Whisper's code.

    A sentence ends at closing punctuation, before a pause of more than 1.5 s, and with the last word. The full stop of
    an abbreviation, an ordinal or an initial ends one only if the next word begins sentences, or follows after a pause.
    """
    texts = [word.text.strip() for word in words]
    cased = any(text.strip(QUOTES)[:1].isupper() for text in texts)
    ends: list[int] = []
    for index, word in enumerate(words):
        begin = ends[-1] if ends else 0
        if index + 1 == len(words):
            ends.append(index + 1)
            continue
        pause = words[index + 1].start - word.end
        if pause > LONG_PAUSE or _closes(texts[begin : index + 1], texts[index + 1 :], pause, language, cased):
            ends.append(index + 1)
    return ends


def _closes(before: Sequence[str], after: Sequence[str], pause: float, language: str, cased: bool) -> bool:
    """Return whether a sentence whose words so far are ``before`` ends there; ``after`` are the words that follow."""
    if _is_closing(after[0]):
        return False
    text = before[-1]
    for earlier in reversed(before[:-1]):  # a mark that stands alone, as in "Quoi ? »", belongs to the word before it
        if any(char.isalnum() for char in text):
            break
        text = earlier + text
    core = text.strip(QUOTES)
    following = next((word for word in after if any(char.isalnum() for char in word)), "").lstrip(QUOTES)
    goes_on = cased and following[:1].islower()  # Unicode Standard Annex 29, rule SB8
    if core.endswith(tuple(STOPS + STOPS_OF.get(language, ""))):
        return not (goes_on and text[-1] in QUOTES)  # "Stop!" he said
    if ELLIPSIS.search(core):
        return not goes_on
    if not core.endswith(".") or goes_on:
        return False
    return _ends_here(core[:-1], before, following, pause, language)


def _is_closing(text: str) -> bool:
    """Return whether a word consists of marks that end the text before them."""
    return all(char in STOPS + QUOTES + ".…," and char not in OPENING + "\"'" for char in text)


def _ends_here(name: str, before: Sequence[str], following: str, pause: float, language: str) -> bool:
    """Return whether the full stop after ``name`` ends a sentence, where the case of the next word does not decide."""
    if language in UNSPACED and name[-1:].isascii() and following[:1].isascii():  # 3.5, whose characters are words
        return False
    begins = following[:1].isupper() and (pause >= CLEAR_PAUSE or _first_word(following) in starters(language))
    begins = begins and not LETTER.match(following)  # another initial
    if NUMBER.fullmatch(name):
        if len(before) == 1:  # the number of an item in a list
            return False
        year = YEAR.fullmatch(name) is not None and following[:1].isupper()
        return begins or year or language not in NUMBERS_WITH_FULL_STOP
    if ROMAN.fullmatch(name) and language in NUMBERS_WITH_FULL_STOP:
        return begins
    return _ends_after_letters(name, before, following, begins, language)


def _ends_after_letters(name: str, before: Sequence[str], following: str, begins: bool, language: str) -> bool:
    """Return whether a full stop after letters ends a sentence; ``begins`` says that the next word looks like one."""
    if name == "I" and language == "en" and not LETTER.match(following):  # the pronoun
        return True
    full = _with_letters_before(name, before).lower()
    if full in continued(language) or (full in BEFORE_A_NUMBER and following[:1].isdecimal()):
        return False
    if LETTER.fullmatch(f"{name}.") or DOTTED.fullmatch(name) or full in continued_or_last(language):
        return begins
    return True


def _with_letters_before(name: str, before: Sequence[str]) -> str:
    """Return an abbreviation with the letters before it, as one word: the B of "z. B." is z.B."""
    for earlier in reversed(before[:-1]):
        if not LETTER.fullmatch(earlier.strip(QUOTES)):
            break
        name = earlier.strip(QUOTES) + name
    return name


def _first_word(text: str) -> str:
    found = re.match(r"\w+", text)
    return found[0].lower() if found else ""
