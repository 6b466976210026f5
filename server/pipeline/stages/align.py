"""Aligners that find word times from the encoder's output: by the model's CTC head, or by cross-attention."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise

import numpy as np
from faster_whisper.tokenizer import Tokenizer

from kernels.mel.audio import SAMPLE_RATE
from server.pipeline.stages.ctc import CtcHead
from server.pipeline.stages.protocols import Spoken, Times
from server.pipeline.stages.whisper import Checkpoint, storage
from server.transcript import TokenScore

FRAME_SECONDS = 0.02  # one encoder frame


class CtcAligner:
    """An Aligner for models with a CTC head, a classifier of characters beside the encoder."""

    device = "cpu"
    method = "ctc"

    def __init__(self, head: CtcHead) -> None:
        self.head = head

    def __call__(self, windows: Sequence[Spoken]) -> list[list[Times | None]]:
        return [
            list(self.head.words(spoken.states[: spoken.window.frames], [word.text for word in spoken.words]))
            for spoken in windows
        ]


class AttentionAligner:
    """An Aligner by the decoder's cross-attention and dynamic time warping, as in openai/whisper's timing.py."""

    device = "cpu"
    method = "attention"

    def __init__(self, checkpoint: Checkpoint, tokenizer: Tokenizer) -> None:
        self.checkpoint = checkpoint
        self.tokenizer = tokenizer

    def __call__(self, windows: Sequence[Spoken]) -> list[list[Times | None]]:
        return [_word_times(path, scores, spoken) for (path, scores), spoken in self._align(windows)]

    def token_scores(self, windows: Sequence[Spoken]) -> list[tuple[TokenScore, ...]]:
        """Return, for each window, the log probability of every text token given those before, at temperature 1."""
        return [self._scores(spoken, scores) for (_, scores), spoken in self._align(windows)]

    def _align(self, windows: Sequence[Spoken]) -> list[tuple[tuple[list[tuple[int, int]], list[float]], Spoken]]:
        found: dict[int, tuple[list[tuple[int, int]], list[float]]] = {}
        spoken = [number for number, window in enumerate(windows) if window.words]
        for _, batch in groupby(sorted(spoken, key=lambda n: len(windows[n].states)), lambda n: len(windows[n].states)):
            numbers = list(batch)
            results = self._align_alike([windows[number] for number in numbers])
            found |= zip(numbers, results, strict=True)
        return [(found.get(number, ([], [])), window) for number, window in enumerate(windows)]

    def _align_alike(self, spoken: Sequence[Spoken]) -> list[tuple[list[tuple[int, int]], list[float]]]:
        """Align windows that were encoded to one number of frames, as CTranslate2 demands of a batch."""
        results = self.checkpoint.whisper.align(
            storage(np.stack([item.states for item in spoken])),
            self.tokenizer.sot_sequence,
            [[token for word in item.words for token in word.tokens] for item in spoken],
            [2 * item.window.frames for item in spoken],
        )
        return [(result.alignments, result.text_token_probs) for result in results]

    def _scores(self, spoken: Spoken, probabilities: Sequence[float]) -> tuple[TokenScore, ...]:
        tokens = [token for word in spoken.words for token in word.tokens]
        logs = np.log(np.maximum(np.asarray(probabilities[: len(tokens)], np.float64), 1e-10))
        return tuple(self._score(token, float(log)) for token, log in zip(tokens, logs, strict=True))

    def _score(self, token: int, logprob: float) -> TokenScore:
        piece = self.checkpoint.text.id_to_token(token) or ""
        data = bytes(BYTE_OF.get(character, 0x3F) for character in piece)
        return TokenScore(data.decode(errors="replace"), data, logprob)


def _word_times(path: Sequence[tuple[int, int]], probabilities: Sequence[float], spoken: Spoken) -> list[Times | None]:
    """Return a window's word times from an alignment path, whose pairs are (token index, encoder frame).

    A word lasts from the first frame of its first token to the first frame of the next word.
    """
    if not spoken.words:
        return []
    token = np.array([pair[0] for pair in path])
    frame = np.array([pair[1] for pair in path])
    first = frame[np.searchsorted(token, np.arange(token.max() + 1))] * FRAME_SECONDS
    last = len(spoken.window.samples) / SAMPLE_RATE
    edges = list(accumulate((len(word.tokens) for word in spoken.words), initial=0))
    times: list[Times | None] = []
    for begin, end in pairwise(edges):
        stop = first[end] if end < len(first) else last
        start = first[min(begin, len(first) - 1)]
        times.append((float(start), float(stop), float(np.mean(probabilities[begin:end]))))
    return times


def _byte_of() -> dict[str, int]:
    """Return the byte value for each character of GPT-2's byte-level alphabet, in which tokens are spelled.

    A printable byte is its own character; the other bytes are the characters from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


BYTE_OF = _byte_of()
