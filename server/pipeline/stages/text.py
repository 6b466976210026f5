"""The division of tokens into words, and of words into sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from faster_whisper.tokenizer import Tokenizer

from server.transcript import Word

UNSPACED = {"zh", "ja", "th", "lo", "my", "yue"}  # faster-whisper's list of languages written without spaces
SENTENCE_END = re.compile(r"[.?!…。？！][\"'”’»)\]]*$")
ABBREVIATION = re.compile(r"^(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|etc|No|[ap]\.m)\.$")
LONG_PAUSE = 1.5  # seconds between two words that end a sentence even without a full stop


@dataclass(frozen=True, slots=True)
class TokenWord:
    """A word as the decoder wrote it, leading space included, with its tokens."""

    text: str
    tokens: tuple[int, ...]


def split_words(tokenizer: Tokenizer, tokens: Sequence[int]) -> list[TokenWord]:
    """Split text tokens into words; punctuation stays with the word that it follows or, after a space, precedes.

    In languages without spaces every character is a word.
    """
    unspaced = tokenizer.language_code in UNSPACED
    words: list[TokenWord] = []
    for text, ids in zip(*tokenizer.split_to_word_tokens([t for t in tokens if t < tokenizer.eot]), strict=True):
        fresh = not words or (any(c.isalnum() for c in text) if unspaced else text.startswith(" "))
        if fresh:
            words.append(TokenWord(text, tuple(ids)))
        else:
            words[-1] = TokenWord(words[-1].text + text, words[-1].tokens + tuple(ids))
    return [word for word in words if word.text.strip()]


def sentence_ends(words: Sequence[Word]) -> list[int]:
    """Return, for each sentence in ``words``, the index after its last word.

    A sentence ends at closing punctuation, before a pause of more than 1.5 s, and with the last word.
    """
    ends: list[int] = []
    for index, word in enumerate(words):
        text = word.text.strip()
        closed = SENTENCE_END.search(text) is not None and ABBREVIATION.match(text) is None
        paused = index + 1 < len(words) and words[index + 1].start - word.end > LONG_PAUSE
        if closed or paused or index + 1 == len(words):
            ends.append(index + 1)
    return ends
