"""Whisper checkpoints with random weights, made without a network: they decode to nonsense, but they decode.

The vocabulary has Whisper's own order: text, <|endoftext|>, <|startoftranscript|>, languages, tasks and the other
special tokens, then 1501 timestamps.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

SPECIALS = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")


@dataclass(frozen=True, slots=True)
class Size:
    """The dimensions of a checkpoint; encoder and decoder have ``layers`` layers each."""

    width: int
    layers: int
    heads: int
    text_tokens: int


TINY = Size(width=64, layers=2, heads=2, text_tokens=1000)  # 3 MB, made in a second


def build_tiny_whisper(
    directory: Path,
    multilingual: bool,
    format: Literal["ct2", "hf"],  # noqa: A002  the usual word
    *,
    n_mels: int = 80,
    seed: int = 0,
    size: Size = TINY,
) -> Path:
    """Write a checkpoint into ``directory`` and return the directory: "ct2" for CTranslate2, "hf" for transformers.

    A multilingual checkpoint has Whisper's 99 languages and the empty token, which CTranslate2 requires of it.
    """
    if format == "ct2":
        from server.checkpoints.convert import convert

        source = build_tiny_whisper(
            directory.with_name(f"{directory.name}-hf"), multilingual, "hf", n_mels=n_mels, seed=seed, size=size
        )
        directory.mkdir(parents=True, exist_ok=True)
        convert(source, directory)
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(multilingual, size.text_tokens)
    _save_model(directory, tokenizer, multilingual, n_mels, seed, size)
    return directory


def _tokenizer(multilingual: bool, text_tokens: int) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    text = [*alphabet, *itertools.islice(_words(), text_tokens - len(alphabet))]
    if multilingual:
        text[-1] = ""
    vocabulary = {token: index for index, token in enumerate(text)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = ("endoftext", "startoftranscript", *_languages(multilingual), *SPECIALS)
    tokenizer.add_special_tokens([AddedToken(f"<|{name}|>", special=True) for name in names])
    tokenizer.add_tokens([AddedToken(f"<|{index * 0.02:.2f}|>", special=False) for index in range(1501)])
    return tokenizer


def _words() -> Iterator[str]:
    """Yield pronounceable words, then words and ends of words of three and four letters for a large vocabulary."""
    for parts in itertools.product("bdgklmnprst", "aeiou", "bdgklmnprst", "aeiou"):
        yield "Ġ" + "".join(parts)
    for length in (3, 4):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            if length == 3 or letters[1] not in "aeiou":  # the others are there
                yield from ("Ġ" + "".join(letters), "".join(letters))


def _languages(multilingual: bool) -> list[str]:
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    return list(LANGUAGES)[:99] if multilingual else ["en"]


def _save_model(directory: Path, tokenizer: Tokenizer, multilingual: bool, n_mels: int, seed: int, size: Size) -> None:
    import torch
    from transformers import (
        GenerationConfig,
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    ids = {name: tokenizer.token_to_id(f"<|{name}|>") for name in ("endoftext", "startoftranscript", "notimestamps")}
    end = ids["endoftext"]
    common = {
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "decoder_start_token_id": ids["startoftranscript"],
    }
    config = WhisperConfig(
        vocab_size=tokenizer.get_vocab_size(),
        num_mel_bins=n_mels,
        d_model=size.width,
        encoder_layers=size.layers,
        decoder_layers=size.layers,
        encoder_attention_heads=size.heads,
        decoder_attention_heads=size.heads,
        encoder_ffn_dim=4 * size.width,
        decoder_ffn_dim=4 * size.width,
        init_std=0.1,  # wide enough that the audio changes the text
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **common,
    )
    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(config)
    language_ids = {f"<|{code}|>": tokenizer.token_to_id(f"<|{code}|>") for code in _languages(multilingual)}
    model.generation_config = GenerationConfig(
        **common,
        suppress_tokens=[],
        begin_suppress_tokens=[tokenizer.token_to_id("Ġ"), end],
        no_timestamps_token_id=ids["notimestamps"],
        is_multilingual=multilingual,
        max_length=448,
        alignment_heads=[[size.layers - 1, head] for head in range(size.heads)],
        lang_to_id=language_ids if multilingual else {},
    )
    model.save_pretrained(directory)
    end_token = "<|endoftext|>"  # noqa: S105
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=end_token, eos_token=end_token, unk_token=end_token, pad_token=end_token
    ).save_pretrained(directory)
    WhisperFeatureExtractor(feature_size=n_mels).save_pretrained(directory)
