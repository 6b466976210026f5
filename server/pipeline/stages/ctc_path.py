"""The best path of given labels through frame probabilities, by dynamic programming in numpy.

Two topologies are known. CTC's (Graves et al. 2006): blank, label, blank, label, blank, where any blank may be left out
except that between equal labels. And that of unbroken words, for classifiers whose blank means silence: blanks stand
between words only, so no word can reach over a pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BLANK = 0
NEVER = -1e4  # the least log probability of a frame: finite, so that an unlikely text is aligned all the same

Float32 = NDArray[np.float32]
Span = tuple[int, int, float]


def frames_needed(labels: Sequence[int]) -> int:
    """Return the fewest frames that can hold ``labels`` in CTC: one each, and a blank between equal neighbours."""
    return len(labels) + sum(a == b for a, b in pairwise(labels))


def forced_align(
    log_probs: Float32, labels: Sequence[int], word_starts: Sequence[int] | None = None, blank: int = BLANK
) -> list[Span]:
    """Find the best path of ``labels`` through ``log_probs`` [T, V] float32, natural logarithm.

    ``word_starts`` are the places in ``labels`` at which unbroken words begin; None means CTC's topology. Returns
    (first frame, frame after the last, score) for each label; score is the geometric mean of its probability over these
    frames. Raises ValueError if the frames are too few, or a label is out of range.
    """
    if not labels:
        return []
    needed = frames_needed(labels) if word_starts is None else len(labels)
    if len(log_probs) < needed:
        raise ValueError(f"{len(labels)} labels need {needed} frames, there are {len(log_probs)}")
    if min(labels) < 0 or max(labels) >= log_probs.shape[1] or blank in labels:
        raise ValueError(f"labels must lie in [0, {log_probs.shape[1]}) and not be the blank {blank}")
    states = np.full(2 * len(labels) + 1, blank)
    states[1::2] = labels
    emission = np.ascontiguousarray(np.maximum(log_probs, NEVER)[:, states], dtype=np.float64)
    skip = np.full(len(states), -np.inf)
    if word_starts is None:
        # A label may be entered from the label before it, past the blank, unless the two are equal.
        skip[3::2] = np.where(states[3::2] != states[1:-2:2], 0.0, -np.inf)
    else:
        skip[3::2] = 0.0
        inner = np.setdiff1d(np.arange(1, len(labels)), word_starts)
        emission[:, 2 * inner] = -np.inf
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
        (int(start), int(end), float(np.exp(np.maximum(log_probs[start:end, label], NEVER).mean(dtype=np.float64))))
        for start, end, label in zip(first, after, labels, strict=True)
    ]
