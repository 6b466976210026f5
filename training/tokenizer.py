"""A small byte-level BPE tokenizer with Whisper's special and timestamp tokens in Whisper's order.

The end-of-text token comes after all text tokens and the timestamps directly after <|notimestamps|>, because
faster-whisper and CTranslate2 distinguish the kinds of tokens by comparing ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from training.sentences import Prompts, sentences

TEXT_TOKENS = 1024
SPECIALS = (
    "<|endoftext|> <|startoftranscript|> <|en|> <|translate|> <|transcribe|> <|startoflm|> <|startofprev|> "
    "<|nospeech|> <|notimestamps|>"
).split()
TIMESTAMPS = [f"<|{step * 0.02:.2f}|>" for step in range(1501)]


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer with look-up of ids by the name of a token."""

    tokenizer: Tokenizer

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        return cls(Tokenizer.from_file(str(path)))

    def __len__(self) -> int:
        return int(self.tokenizer.get_vocab_size())

    def id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise KeyError(token)
        return int(found)

    def encode(self, text: str) -> list[int]:
        """Return the ids of one segment, with the space with which Whisper's segments begin."""
        return list(self.tokenizer.encode(f" {text}").ids)

    def encode_placed(self, text: str) -> tuple[list[int], list[float]]:
        """Return the ids of one segment, and the middle of each token as a share of the segment's characters."""
        encoded = self.tokenizer.encode(f" {text}")
        return list(encoded.ids), [(first + after) / 2 / (len(text) + 1) for first, after in encoded.offsets]


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn the merges from ``texts``; every byte stays a token, so any text can be written."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TEXT_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator((f" {text}" for text in texts), trainer)
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.add_special_tokens(TIMESTAMPS)
    return tokenizer


def vocabulary(path: Path, prompts: Prompts) -> Vocabulary:
    """Load the tokenizer at ``path``, and train it first if there is none."""
    if not path.exists():
        texts = islice(sentences(0, "train", prompts, open_share=0.4), 40_000)
        train_tokenizer(texts).save(str(path))
    return Vocabulary.load(path)
