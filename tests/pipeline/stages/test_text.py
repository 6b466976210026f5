"""Words of tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers
from faster_whisper.tokenizer import Tokenizer

from server.pipeline.stages.text import split_words


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


def test_an_opening_bracket_begins_a_word(japanese: Tokenizer) -> None:
    split = split_words(japanese, japanese.encode("はい。「いいえ」"))
    assert [word.text for word in split] == ["は", "い。", "「い", "い", "え」"]


def test_a_translation_has_english_words(tiny_multilingual: Path) -> None:
    text = tokenizers.Tokenizer.from_file(str(tiny_multilingual / "tokenizer.json"))
    tokenizer = Tokenizer(text, True, task="translate", language="ja")
    assert [word.text for word in split_words(tokenizer, tokenizer.encode(" Good day."))] == [" Good", " day."]


def test_special_tokens_are_no_text(tokenizer: Tokenizer) -> None:
    tokens = [tokenizer.sot, *tokenizer.encode(" one"), tokenizer.timestamp_begin, tokenizer.eot]
    assert [word.text for word in split_words(tokenizer, tokens)] == [" one"]
