"""The division of tokens into words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from faster_whisper.tokenizer import Tokenizer

UNSPACED = {"zh", "ja", "th", "lo", "my", "yue"}  # faster-whisper's list of languages written without spaces


@dataclass(frozen=True, slots=True)
class TokenWord:
    """A word as the decoder wrote it, leading space included, with its tokens."""

    text: str
    tokens: tuple[int, ...]


def split_words(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[TokenWord]:
    """Split text tokens into words; punctuation stays with the word that it follows or, after a space, precedes.

    In languages without spaces every character is a word, with the brackets before it. A translation is English.
    """
    unspaced = tokenizer.language_code in UNSPACED and tokenizer.task != tokenizer.translate
    split = tokenizer.split_tokens_on_unicode if unspaced else tokenizer.split_tokens_on_spaces
    words: list[TokenWord] = []
    for text, ids in zip(*split([t for t in tokens if t < tokenizer.eot]), strict=True):
        fresh = not words or (_begins_word(text, words[-1].text) if unspaced else text.startswith(" "))
        if fresh:
            words.append(TokenWord(text, tuple(ids)))
        else:
            words[-1] = TokenWord(words[-1].text + text, words[-1].tokens + tuple(ids))
    return [word for word in words if word.text.strip()]


def _begins_word(text: str, before: str) -> bool:
    """Return whether a character begins a word in a language without spaces: an opening bracket does, or a letter."""
    if any(char.isalnum() for char in text):
        return any(char.isalnum() for char in before) or not _is_opening(before)
    return _is_opening(text)


def _is_opening(text: str) -> bool:
    return unicodedata.category(text.strip()[:1] or " ") in ("Ps", "Pi")
