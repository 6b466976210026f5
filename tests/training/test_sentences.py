"""The sentence generator: its vocabulary, its splits, and that a seed always gives the same sentences."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from training import numbers
from training.lexicon import SLOTS, TOPICS
from training.recordings import kathleen
from training.sentences import (
    LONGEST,
    Prompts,
    Split,
    expand,
    in_domain,
    normalise,
    sentences,
    split_of,
    written,
)


def lexicon() -> set[str]:
    texts = [text for slot in SLOTS.values() for text in slot] + [text for topic in TOPICS.values() for text in topic]
    bare = " ".join(re.sub(r"\{\w+\}", " ", text) for text in texts)
    spoken = [numbers.UNITS, numbers.TENS, numbers.ORDINALS, numbers.MONTHS, numbers.DAYS, numbers.OF_DAY]
    extra = "hundred thousand million and oh thirtieth the of o'clock half past quarter to dollars euros cents"
    return set(normalise(" ".join([bare, extra, *(word for words in spoken for word in words)])).split())


def test_only_words_of_the_lexicon() -> None:
    rng = Random(5)
    words = {word for _ in range(3000) for word in normalise(in_domain(rng)).split()}
    assert words <= lexicon()
    assert 400 < len(words) < 900


def test_sentences_are_written_as_the_card_says() -> None:
    for text in islice(sentences(6, "train"), 500):
        assert re.fullmatch(r"[A-Z][A-Za-z' ]*[a-z]?[.?]", text), text
        assert "  " not in text
        assert len(text) <= LONGEST


def test_a_seed_gives_the_same_sentences() -> None:
    assert list(islice(sentences(7, "train"), 50)) == list(islice(sentences(7, "train"), 50))
    assert list(islice(sentences(7, "train"), 50)) != list(islice(sentences(8, "train"), 50))


def test_no_text_is_in_two_splits() -> None:
    splits: tuple[Split, ...] = ("train", "dev", "test")
    texts = [set(map(normalise, islice(sentences(9, split), 400))) for split in splits]
    assert not texts[0] & texts[1]
    assert not texts[0] & texts[2]
    assert not texts[1] & texts[2]


def test_the_split_ignores_case_and_marks() -> None:
    assert split_of("Turn on the light.") == split_of("turn on, THE light")


def test_every_slot_of_every_template_is_known() -> None:
    rng = Random(1)
    for template in [text for topic in TOPICS.values() for text in topic]:
        assert not re.search(r"[{}\[\]]", expand(template, rng))


def test_questions_keep_their_mark() -> None:
    assert written("are you ready?") == "Are you ready?"
    assert written("I am") == "I am."


def test_chains_are_made_of_the_prompts_words() -> None:
    prompts = Prompts.of(["The old man saw Philip.", "Philip went to the old house.", "She saw the man."])
    known = set(normalise(" ".join(prompts.texts)).split())
    rng = Random(2)
    drawn = [prompts.draw(rng) for _ in range(50)]
    assert all(set(normalise(text).split()) <= known for text in drawn)
    assert any(text not in prompts.texts for text in drawn)


def test_held_out_prompts_never_enter_training(shared_audio: Path) -> None:
    held = {normalise(clip.text) for split in ("test", "dev") for clip in kathleen(shared_audio, split)}
    training = [clip.text for clip in kathleen(shared_audio, "train")]
    assert len(held) > 80
    assert not held & set(map(normalise, training))
    prompts = Prompts.of(training)
    rng = Random(3)
    verbatim = {normalise(prompts.draw(rng)) for _ in range(2000)} & held
    assert not verbatim


@pytest.mark.parametrize("text", ["Café №5 — don't!", "DON’T", ""])
def test_normalised_text_is_letters_and_apostrophes(text: str) -> None:
    assert re.fullmatch(r"[a-z' ]*", normalise(text))
