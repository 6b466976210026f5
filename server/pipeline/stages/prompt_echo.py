"""The check whether a decoded text repeats the request's prompt instead of what was said.

Whisper reads a prompt as the text before the window. Where it hears little, it may write that text once more, or a list
of hotwords that it was given. A window with such a text is decoded again without the prompt: words that were really
said are then heard again, about the same, and words of the prompt are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

RUN = 3  # words in a row, or two long ones, that a text shares with the prompt, if it has other words, too
LONG = 14  # letters of two words: fewer, as in "of the", are shared by chance
MOSTLY = 0.8  # share of a text's words that the prompt has, too, from which all of them count, in any order
WHOLE = 0.7  # a text with fewer letters than this share of what is heard without the prompt leaves words out
ALIKE = 0.5  # likeness of letters from which two hearings are of the same words: "Kubernetes", "cooper netties"


def echoed(words: Sequence[str], prompt: Sequence[str]) -> list[int]:
    """Return the indices of the words of a text that may come from the prompt, none if the text is no echo of it."""
    plain, known = [letters(word) for word in words], [letters(word) for word in prompt]
    spoken = [index for index, word in enumerate(plain) if word]
    among = [index for index in spoken if plain[index] in set(known)]
    if spoken and len(among) >= MOSTLY * len(spoken):
        return spoken
    found: set[int] = set()
    for size in (RUN - 1, RUN):
        runs = set(zip(*(known[first:] for first in range(size)), strict=False))
        for index in range(len(plain) - size + 1):
            run = tuple(plain[index : index + size])
            if run in runs and (size == RUN or len("".join(run)) >= LONG):
                found.update(range(index, index + size))
    return sorted(found)


def was_said(words: Sequence[str], suspects: Sequence[int], heard: Sequence[str]) -> bool:
    """Return True if most of the words at the indices ``suspects`` are also in ``heard``, decoded without the prompt.

    The words around them show the place where they would be; there, words that sound alike are spelled alike enough.
    False for a text that leaves out much of what is heard.
    """
    mine, other = [letters(word) for word in words], [letters(word) for word in heard]
    if len("".join(mine)) < WHOLE * len("".join(other)):
        return False
    found = total = 0
    for kind, begin, end, start, stop in SequenceMatcher(None, mine, other, autojunk=False).get_opcodes():
        size = sum(len(mine[index]) for index in suspects if begin <= index < end)
        same = kind == "equal" or likeness("".join(mine[begin:end]), "".join(other[start:stop])) >= ALIKE
        total += size
        found += size if same else 0
    return total > 0 and 2 * found >= total


def letters(word: str) -> str:
    """Return the letters and digits of a word in lower case."""
    return "".join(filter(str.isalnum, word.casefold()))


def likeness(one: str, other: str) -> float:
    """Return the share of letters, 0 to 1, that two strings have in common, in order."""
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
