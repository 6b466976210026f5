"""Fresh sentences of the demo model's domain, and open ones chained from the training prompts.

The text itself decides its split: a hash sends each sentence to train, dev or test, so no seed, voice or run can bring
a test sentence into training.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from random import Random
from typing import Literal

from training import numbers
from training.lexicon import SLOTS, TOPICS

Split = Literal["train", "dev", "test"]
SPLIT_BUCKETS = 25  # of these one is dev and one is test: 4 % of all sentences each
OPTIONAL_SHARE = 0.4
LONGEST = 110  # characters

SPOKEN: dict[str, Callable[[Random], str]] = {
    "digits": numbers.digit_string,
    "number": numbers.cardinal,
    "count": numbers.count,
    "ordinal": lambda rng: rng.choice(numbers.ORDINALS),
    "date": numbers.date,
    "day": lambda rng: rng.choice(numbers.DAYS),
    "month": lambda rng: rng.choice(numbers.MONTHS),
    "year": numbers.year,
    "clock": numbers.clock,
    "price": numbers.price,
}
TEMPLATES = [template for templates in TOPICS.values() for template in templates]


def normalise(text: str) -> str:
    """Normalise a text for word error rates: lower case, letters and apostrophes only, single spaces."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower().replace("’", "'")).split())


def split_of(text: str) -> Split:
    """Return the split that a text belongs to, by a hash; case and punctuation do not matter."""
    bucket = int.from_bytes(sha256(normalise(text).encode()).digest()[:4], "big") % SPLIT_BUCKETS
    return "test" if bucket == 0 else "dev" if bucket == 1 else "train"


def written(text: str, end: str = ".") -> str:
    """Return the text in sentence case with one final mark."""
    mark = "?" if text.endswith("?") else end
    text = text.rstrip("?.! ")
    return text[0].upper() + text[1:] + mark


def expand(template: str, rng: Random) -> str:
    """Fill a template's slots, and keep or drop its optional parts at random."""
    template = re.sub(r"\[([^]]*)\]", lambda part: part[1] if rng.random() < OPTIONAL_SHARE else "", template)
    while (slot := re.search(r"\{(\w+)\}", template)) is not None:
        name = slot[1]
        filling = SPOKEN[name](rng) if name in SPOKEN else rng.choice(SLOTS[name])
        template = template[: slot.start()] + filling + template[slot.end() :]
    return re.sub(r"\s+", " ", template).replace(" ?", "?").strip()


def in_domain(rng: Random) -> str:
    """Return a random sentence of the demo model's domain; it may belong to any split."""
    kind = rng.random()
    if kind < 0.12:
        return written(numbers.digit_string(rng))
    if kind < 0.17:
        return written(numbers.cardinal(rng))
    if kind < 0.20:
        return written(rng.choice((numbers.date, numbers.clock, numbers.price))(rng))
    return written(expand(rng.choice(TEMPLATES), rng))


@dataclass(frozen=True)
class Prompts:
    """A source of open sentences: the training prompts themselves, and chains of their word pairs."""

    texts: Sequence[str]
    followers: dict[str, list[str]]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Prompts:
        followers: dict[str, list[str]] = defaultdict(list)
        names = {word for text in texts for word in text.rstrip(".?").split()[1:] if word[0].isupper()}
        for text in texts:
            first, *rest = text.rstrip(".?").split()
            for word, after in pairwise(["^", first if first in names else first.lower(), *rest, "$"]):
                followers[word].append(after)
        return cls(texts, dict(followers))

    def draw(self, rng: Random) -> str:
        """Return a prompt, or a new chain of 3 to 15 words."""
        if rng.random() < 0.4:
            return rng.choice(self.texts)
        while True:
            chain = list(self._chain(rng))
            if 3 <= len(chain) <= 15:
                return written(" ".join(chain))

    def _chain(self, rng: Random) -> Iterator[str]:
        word = rng.choice(self.followers["^"])
        while word != "$":
            yield word
            word = rng.choice(self.followers[word])


def numeric(rng: Random) -> str:
    """Return a random digit string, or less often another number or a time of day, without a sentence around it."""
    kinds = (numbers.digit_string, numbers.digit_string, numbers.digit_string, numbers.cardinal, numbers.clock)
    return written(rng.choice(kinds)(rng))


def sentences(
    seed: int, split: Split, prompts: Prompts | None = None, open_share: float = 0.0, numeric_share: float = 0.0
) -> Iterator[str]:
    """Yield random sentences of one split without end: most are of the domain, shares are open and numeric ones."""
    rng = Random(seed)
    while True:
        kind = rng.random()
        is_open = prompts is not None and kind < open_share
        if prompts is not None and is_open:
            text = prompts.draw(rng)
        else:
            text = numeric(rng) if kind >= 1 - numeric_share else in_domain(rng)
        if len(text) <= LONGEST and (split_of(text) == split or (is_open and split == "train")):
            yield text
