"""Words of tokens, and sentences of words."""

from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers
from faster_whisper.tokenizer import Tokenizer

from server.pipeline.stages.text import sentence_ends, split_words
from server.transcript import Word


@pytest.fixture
def tokenizer(tiny_multilingual: Path) -> Tokenizer:
    text = tokenizers.Tokenizer.from_file(str(tiny_multilingual / "tokenizer.json"))
    return Tokenizer(text, True, task="transcribe", language="en")


@pytest.fixture
def japanese(tiny_multilingual: Path) -> Tokenizer:
    text = tokenizers.Tokenizer.from_file(str(tiny_multilingual / "tokenizer.json"))
    return Tokenizer(text, True, task="transcribe", language="ja")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" Hello there.", [" Hello", " there."]),
        (" Well-known, isn't it?", [" Well-known,", " isn't", " it?"]),
        (' He said "no" twice.', [" He", " said", ' "no"', " twice."]),
        (" Größe über 42,5 %", [" Größe", " über", " 42,5", " %"]),
        ("No space at first", ["No", " space", " at", " first"]),
        ("", []),
        ("   ", []),
    ],
)
def test_words_keep_their_punctuation(tokenizer: Tokenizer, text: str, words: list[str]) -> None:
    split = split_words(tokenizer, tokenizer.encode(text))
    assert [word.text for word in split] == words
    if words:
        assert [token for word in split for token in word.tokens] == tokenizer.encode(text)


def test_without_spaces_every_character_is_a_word(japanese: Tokenizer) -> None:
    split = split_words(japanese, japanese.encode("日本語です。"))
    assert [word.text for word in split] == ["日", "本", "語", "で", "す。"]


def test_special_tokens_are_no_text(tokenizer: Tokenizer) -> None:
    tokens = [tokenizer.sot, *tokenizer.encode(" one"), tokenizer.timestamp_begin, tokenizer.eot]
    assert [word.text for word in split_words(tokenizer, tokens)] == [" one"]


def spoken(text: str, pause_after: int | None = None) -> list[Word]:
    words, clock = [], 0.0
    for index, word in enumerate(text.split()):
        words.append(Word(word, clock, clock + 0.3))
        clock += 3.0 if index == pause_after else 0.4
    return words


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("One two. Three four? Five!", [2, 4, 5]),
        ("Mr. Smith met Dr. J. Jones at nine p.m. in St. Ives.", [12]),
        ('She said "stop." Then left…', [3, 5]),
        ("no full stop at all", [5]),
        ("これ。 それ？", [1, 2]),
        ("", []),
    ],
)
def test_sentences_end_at_full_stops(text: str, ends: list[int]) -> None:
    assert sentence_ends(spoken(text)) == ends


def test_a_long_pause_ends_a_sentence() -> None:
    assert sentence_ends(spoken("one two three four", pause_after=1)) == [2, 4]
