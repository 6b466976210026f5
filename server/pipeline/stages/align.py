"""Aligners that find word times from the encoder's output: by the model's CTC head, or by cross-attention."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from kernels.mel.audio import Float32
from server.pipeline.speech import speech_in
from server.pipeline.stages.ctc import CtcHead
from server.pipeline.stages.protocols import Spoken, Times
from server.pipeline.stages.text import TokenWord
from server.pipeline.stages.whisper import Checkpoint, storage
from server.transcript import TokenScore

FRAME_SECONDS = 0.02  # one encoder frame
FRAMES_A_TOKEN = 2  # the fewest frames of speech in which a token is looked for
MEDIAN_FRAMES = 3  # of the filter over attention; 7 in openai/whisper, where the path errs more (95th percentile)
PUNCTUATION = "\"'.。,，!！?？:：;；”’»)]}、…-–—"  # marks without a sound; not the percent sign

Frames = NDArray[np.intp]
Path = Sequence[tuple[int, int]]


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
    """An Aligner by the decoder's cross-attention and dynamic time warping, as in openai/whisper's timing.py.

    The path runs over the frames with speech only, so that no pause can be given to a word.
    """

    device = "cpu"
    method = "attention"

    def __init__(self, checkpoint: Checkpoint, tokenizer: Tokenizer) -> None:
        self.checkpoint = checkpoint
        self.tokenizer = tokenizer

    def __call__(self, windows: Sequence[Spoken]) -> list[list[Times | None]]:
        frames = [_speech_frames(spoken) for spoken in windows]
        found = self._align(windows, frames)
        return [self._times(*item) for item in zip(windows, frames, found, strict=True)]

    def token_scores(self, windows: Sequence[Spoken]) -> list[tuple[TokenScore, ...]]:
        """Return, for each window, the log probability of every text token given those before, at temperature 1."""
        found = self._align(windows, [np.arange(spoken.window.frames) for spoken in windows])
        return [self._scores(spoken, scores) for spoken, (_, scores) in zip(windows, found, strict=True)]

    def _align(self, windows: Sequence[Spoken], frames: Sequence[Frames]) -> list[tuple[Path, Sequence[float]]]:
        """Return, for each window, the path over its ``frames``, and the probabilities of its tokens."""
        found: dict[int, tuple[Path, Sequence[float]]] = {}
        lengths = {index: len(window.states) for index, window in enumerate(windows) if window.words}
        for length in set(lengths.values()):  # CTranslate2 demands one length of a batch
            chosen = [index for index in lengths if lengths[index] == length]
            results = self.checkpoint.whisper.align(
                storage(np.stack([_first(windows[index].states, frames[index]) for index in chosen])),
                self.tokenizer.sot_sequence,
                [[token for word in windows[index].words for token in word.tokens] for index in chosen],
                [2 * len(frames[index]) for index in chosen],
                median_filter_width=MEDIAN_FRAMES,
            )
            found |= {i: (item.alignments, item.text_token_probs) for i, item in zip(chosen, results, strict=True)}
        return [found.get(index, ([], [])) for index in range(len(windows))]

    def _times(self, spoken: Spoken, frames: Frames, found: tuple[Path, Sequence[float]]) -> list[Times | None]:
        """Return the times of a window's words, from a path of pairs (token index, index into ``frames``).

        A word lasts from the first frame of its first token to that of the next word, or of its punctuation, which
        follows the sound.
        """
        if not spoken.words:
            return []
        path, probabilities = found
        token, frame = np.array(path).T
        first = frames[frame[np.searchsorted(token, np.arange(token.max() + 1))]] * FRAME_SECONDS
        first = np.append(first, (frames[-1] + 1) * FRAME_SECONDS)
        timing = self.checkpoint.timing
        times: list[Times | None] = []
        edges = accumulate((len(word.tokens) for word in spoken.words), initial=0)
        for word, (begin, end) in zip(spoken.words, pairwise(edges), strict=True):
            start = float(first[begin]) + timing.start_offset
            stop = float(first[end - self._punctuation(word)]) + timing.end_offset
            times.append((start, stop, float(np.mean(probabilities[begin:end]))))
        return times

    def _punctuation(self, word: TokenWord) -> int:
        """Return how many tokens at the end of a word, its first one apart, are punctuation and nothing else."""
        spoken = list(word.tokens)
        while len(spoken) > 1 and not self.tokenizer.decode([spoken[-1]]).strip(PUNCTUATION):
            spoken.pop()
        return len(word.tokens) - len(spoken)

    def _scores(self, spoken: Spoken, probabilities: Sequence[float]) -> tuple[TokenScore, ...]:
        tokens = [token for word in spoken.words for token in word.tokens]
        logs = np.log(np.maximum(np.asarray(probabilities[: len(tokens)], np.float64), 1e-10))
        return tuple(self._score(token, float(log)) for token, log in zip(tokens, logs, strict=True))

    def _score(self, token: int, logprob: float) -> TokenScore:
        piece = self.checkpoint.text.id_to_token(token) or ""
        data = bytes(BYTE_OF.get(character, 0x3F) for character in piece)
        return TokenScore(data.decode(errors="replace"), data, logprob)


def _speech_frames(spoken: Spoken) -> Frames:
    """Return the encoder frames with speech; all of the window if they are few for its tokens."""
    window = spoken.window
    edges = np.arange(window.frames + 1) * FRAME_SECONDS
    speech = np.zeros(window.frames, bool)
    for stretch in speech_in(window):
        speech |= (edges[1:] > stretch.start) & (edges[:-1] < stretch.end)
    tokens = sum(len(word.tokens) for word in spoken.words)
    return np.flatnonzero(speech) if speech.sum() >= FRAMES_A_TOKEN * tokens else np.arange(window.frames)


def _first(states: Float32, frames: Frames) -> Float32:
    """Return states, [F, d], with those of ``frames`` in front: attention is the same in any order of its keys."""
    others = np.delete(np.arange(len(states)), frames)
    ordered: Float32 = states[np.concatenate([frames, others])]
    return ordered


def _byte_of() -> dict[str, int]:
    """Return the byte value for each character of GPT-2's byte-level alphabet, in which tokens are spelled.

    A printable byte is its own character; the other bytes are the characters from U+0100 on.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


BYTE_OF = _byte_of()
