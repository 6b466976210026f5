"""Word times from a character CTC head on the encoder's states, in numpy alone.

The head is one linear layer that is kept beside the encoder's weights, so the encoder pass that feeds the decoder also
gives the times. The path is the best one through the CTC topology (Graves et al. 2006): blank, label, blank, label,
blank.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEAD_FILE = "ctc_head.npz"
FRAME_SECONDS = 0.02  # one encoder state: two mel frames of 10 ms
BLANK = 0

Float32 = NDArray[np.float32]
Span = tuple[int, int, float]


@dataclass(frozen=True, slots=True, eq=False)
class CtcHead:
    """A linear classifier of characters over encoder states, which finds word times.

    ``weight`` is float32 [1 + len(alphabet), d], ``bias`` float32 [1 + len(alphabet)]; class 0 is the blank and class i
    is ``alphabet[i - 1]``. The offsets, in seconds, are added to every word's start and end; they are calibrated on
    recordings whose true word times are known. Raises ValueError for arrays of other shapes.
    """

    weight: Float32
    bias: Float32
    alphabet: str
    start_offset: float = 0.0
    end_offset: float = 0.0

    def __post_init__(self) -> None:
        classes = len(self.alphabet) + 1
        if self.weight.ndim != 2 or self.weight.shape[0] != classes or self.bias.shape != (classes,):
            raise ValueError(
                f"a head for {len(self.alphabet)} characters needs weight [{classes}, d] and bias [{classes}], "
                f"not {list(self.weight.shape)} and {list(self.bias.shape)}"
            )

    @classmethod
    def load(cls, directory: Path) -> CtcHead | None:
        """Read the CTC head of a model from its directory; None if it has none.

        Raises ValueError if the file is damaged.
        """
        path = directory / HEAD_FILE
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(
                    weight=stored["weight"].astype(np.float32),
                    bias=stored["bias"].astype(np.float32),
                    alphabet=str(stored["alphabet"]),
                    start_offset=float(stored["start_offset"]),
                    end_offset=float(stored["end_offset"]),
                )
        except (KeyError, OSError) as error:
            raise ValueError(f"{path} is not a CTC head: {error}") from error

    def save(self, directory: Path) -> None:
        """Write the CTC head to a model's directory, in the file that ``load`` reads."""
        np.savez(
            directory / HEAD_FILE,
            weight=self.weight,
            bias=self.bias,
            alphabet=np.array(self.alphabet),
            start_offset=np.float64(self.start_offset),
            end_offset=np.float64(self.end_offset),
        )

    def log_probs(self, states: Float32) -> Float32:
        """Compute natural log probabilities of characters, [T, 1 + len(alphabet)], from encoder states [T, d]."""
        logits = states @ self.weight.T + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits.astype(np.float32, copy=False)

    def labels(self, word: str) -> list[int]:
        """Return the class numbers of a word's letters, in lower case and without accents.

        Spaces and characters outside the alphabet are left out.
        """
        plain = unicodedata.normalize("NFKD", word.lower().replace("’", "'"))
        return [self.alphabet.index(c) + 1 for c in plain if c in self.alphabet and c != " "]

    def words(self, states: Float32, words: Sequence[str]) -> list[tuple[float, float, float] | None]:
        """Return (start, end, score) of each word, in seconds from the first state; score is in (0, 1].

        ``states``, [T, d], must be those of audio only, without the window's padding. The result is None for a word
        without a character of the alphabet ("42"), and for every word if the states are too few for the text.
        """
        spelled = [self.labels(word) for word in words]
        space = self.alphabet.index(" ") + 1 if " " in self.alphabet else None
        labels: list[int] = []
        slots: list[tuple[int, int] | None] = []
        for letters in spelled:
            if letters and labels and space is not None:
                labels.append(space)
            slots.append((len(labels), len(labels) + len(letters)) if letters else None)
            labels.extend(letters)
        if len(states) < frames_needed(labels):
            return [None] * len(spelled)
        spans = forced_align(self.log_probs(states), labels)
        return [None if slot is None else self._word(spans[slot[0] : slot[1]], len(states)) for slot in slots]

    def _word(self, spans: Sequence[Span], frames: int) -> tuple[float, float, float]:
        length = np.array([end - start for start, end, _ in spans])
        score = float(np.exp(length @ np.log([score for *_, score in spans]) / length.sum()))
        last = frames * FRAME_SECONDS
        start = min(max(spans[0][0] * FRAME_SECONDS + self.start_offset, 0.0), last - FRAME_SECONDS)
        end = min(max(spans[-1][1] * FRAME_SECONDS + self.end_offset, start + FRAME_SECONDS), last)
        return start, end, score


def frames_needed(labels: Sequence[int]) -> int:
    """Return the fewest frames that can hold ``labels`` in CTC: one each, and a blank between equal neighbours."""
    return len(labels) + sum(a == b for a, b in pairwise(labels))


def forced_align(log_probs: Float32, labels: Sequence[int], blank: int = BLANK) -> list[Span]:
    """Find the best CTC path of ``labels`` through ``log_probs`` [T, V] float32, natural logarithm.

    Returns (first frame, frame after the last, score) for each label; score is the geometric mean of its probability
    over these frames. Raises ValueError if the frames are fewer than ``frames_needed``, or a label is out of range.
    """
    if not labels:
        return []
    if len(log_probs) < frames_needed(labels):
        raise ValueError(f"{len(labels)} labels need {frames_needed(labels)} frames, there are {len(log_probs)}")
    if min(labels) < 0 or max(labels) >= log_probs.shape[1] or blank in labels:
        raise ValueError(f"labels must lie in [0, {log_probs.shape[1]}) and not be the blank {blank}")
    states = np.full(2 * len(labels) + 1, blank)
    states[1::2] = labels
    emission = np.ascontiguousarray(np.maximum(log_probs, -1e4)[:, states], dtype=np.float64)
    # A label may be entered from the label before it, past the blank, unless the two are equal.
    skip = np.full(len(states), -np.inf)
    skip[3::2] = np.where(states[3::2] != states[1:-2:2], 0.0, -np.inf)
    path = _backtrace(_forward(emission, skip), skip)
    return _spans(path, log_probs, labels)


def _forward(emission: NDArray[np.float64], skip: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log score, [T, S], of the best CTC path that ends in state S at frame T; ``emission`` is overwritten.

    ``skip``, [S], is added to a step of two states: 0 where the blank between may be left out, else -inf.
    """
    best = emission
    best[0, 2:] = -np.inf
    jump = np.empty(max(best.shape[1] - 2, 0))
    reach = np.empty(best.shape[1])
    for previous, current in pairwise(best):
        reach[0] = previous[0]
        np.maximum(previous[1:], previous[:-1], out=reach[1:])
        np.add(previous[:-2], skip[2:], out=jump)
        np.maximum(reach[2:], jump, out=reach[2:])
        current += reach
    return best


def _backtrace(best: NDArray[np.float64], skip: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the state of each frame on the best CTC path, from the scores of ``_forward``.

    Between equal scores the path stays in its state.
    """
    path = np.empty(len(best), dtype=np.intp)
    state = best.shape[1] - 1 if best[-1, -1] > best[-1, -2] else best.shape[1] - 2
    for frame in range(len(best) - 1, 0, -1):
        path[frame] = state
        before = best[frame - 1]
        stay = before[state]
        step = before[state - 1] if state > 0 else -np.inf
        jump = before[state - 2] + skip[state] if state > 1 else -np.inf
        if max(step, jump) > stay:
            state -= 1 if step >= jump else 2
    path[0] = state
    return path


def _spans(path: NDArray[np.intp], log_probs: Float32, labels: Sequence[int]) -> list[Span]:
    on_label = np.flatnonzero(path % 2)
    index = path[on_label] // 2
    first = on_label[np.searchsorted(index, np.arange(len(labels)))]
    after = on_label[np.searchsorted(index, np.arange(len(labels)), side="right") - 1] + 1
    return [
        (int(start), int(end), float(np.exp(np.maximum(log_probs[start:end, label], -1e4).mean(dtype=np.float64))))
        for start, end, label in zip(first, after, labels, strict=True)
    ]
