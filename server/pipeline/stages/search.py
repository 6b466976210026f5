"""The decoder's parameters for the windows of a request, and the tokens that it starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from faster_whisper.tokenizer import Tokenizer

from server.pipeline.stages.text import split_words

CONTEXT = 448  # tokens of Whisper's decoder, prompt included
PROMPT = CONTEXT // 2 - 1  # tokens that hotwords and prompt may take together


@dataclass(frozen=True, slots=True)
class Search:
    """The parameters with which all windows of a request are decoded.

    ``prompt`` are the tokens from <|startofprev|> to <|notimestamps|>. ``temperatures`` are tried in order: the first
    by beam search, or by drawing from the likeliest texts if it is above 0, the others by beam search with a penalty on
    repetitions that grows with the temperature.
    """

    tokenizer: Tokenizer
    prompt: tuple[int, ...]
    beam_size: int
    temperatures: tuple[float, ...]

    @property
    def context(self) -> tuple[str, ...]:
        """The words of the prompt and the hotwords that the decoder is given; empty without them."""
        return tuple(word.text for word in split_words(self.tokenizer, self.prompt[: -self._start]))

    def without_context(self) -> Search:
        """Return the same search without prompt and hotwords."""
        return replace(self, prompt=self.prompt[-self._start :])

    @property
    def _start(self) -> int:
        """The number of tokens from <|startoftranscript|> to <|notimestamps|>."""
        return len(self.tokenizer.sot_sequence) + 1

    def draws(self, temperature: float) -> bool:
        """Return True if the text is drawn at ``temperature``, because it is the first one and not 0."""
        return temperature == self.temperatures[0] > 0.0

    def batch_key(self, temperature: float) -> tuple[int, int, float]:
        """Return a key that is equal for windows that can share a batch at ``temperature``.

        CTranslate2 needs prompts of one length and one beam size in a batch; a beam size of 0 stands for drawn texts.
        """
        return len(self.prompt), 0 if self.draws(temperature) else self.beam_size, temperature


def prompt_tokens(tokenizer: Tokenizer, prompt: str | None, hotwords: str | None) -> tuple[int, ...]:
    """Return the tokens that the decoder starts from: the context, if there is any, and Whisper's start tokens.

    The context is ``hotwords`` and then the end of ``prompt``, in the place of Whisper's previous text, 223 tokens at
    most.
    """
    before = _text_tokens(tokenizer, hotwords)[:PROMPT]
    if len(before) < PROMPT:
        before += _text_tokens(tokenizer, prompt)[-(PROMPT - len(before)) :]
    head = [tokenizer.sot_prev, *before] if before else []
    return (*head, *tokenizer.sot_sequence, tokenizer.no_timestamps)


def _text_tokens(tokenizer: Tokenizer, text: str | None) -> list[int]:
    """Return the tokens of a text without those that Whisper gives a meaning, such as <|startoftranscript|>."""
    stripped = (text or "").strip()
    return [token for token in tokenizer.encode(" " + stripped) if token < tokenizer.eot] if stripped else []
