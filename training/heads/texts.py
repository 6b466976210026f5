"""Sentences of random words: whole words of Whisper's own vocabulary, the more frequent the likelier.

A head shall hear sounds and not guess words, so no word should follow from those before it, and no test text is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

from tokenizers import Tokenizer

COMMA_SHARE = 0.08
SHORTEST, LONGEST = 3, 13  # words
PATTERN = {"en": r"[a-z]{2,}|a|i", "de": r"[a-zäöüß]{2,}", "nl": r"[a-zéëïö]{2,}"}


@dataclass(frozen=True)
class Words:
    """Words, and the sums of their weights up to each."""

    words: Sequence[str]
    sums: Sequence[float]

    @classmethod
    def of(cls, tokenizer: Path, language: str) -> Words:
        """Take the whole words of a language's letters from a tokenizer.json, in the order of its token ids.

        A byte pair vocabulary is in the order of frequency, so the weights follow a flattened Zipf's law.
        """
        ids: dict[str, int] = json.loads(tokenizer.read_bytes())["model"]["vocab"]
        decode = Tokenizer.from_file(str(tokenizer)).decode
        texts = [decode([number]) for _, number in sorted(ids.items(), key=lambda item: item[1])]
        words = [text[1:].lower() for text in texts if re.match(" ([^A-Z]|I$)", text)]
        words = [word for word in dict.fromkeys(words) if re.fullmatch(PATTERN[language], word)]
        return cls(words, list(accumulate((rank + 8) ** -0.75 for rank in range(len(words)))))

    def sentence(self, rng: Random) -> str:
        """Return a sentence of random words, with a comma here and there."""
        drawn = rng.choices(self.words, cum_weights=self.sums, k=rng.randint(SHORTEST, LONGEST))
        marked = [word + ("," if rng.random() < COMMA_SHARE else "") for word in drawn]
        text = " ".join(marked).rstrip(",")
        return text[0].upper() + text[1:] + rng.choice(".?")
