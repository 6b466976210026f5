"""Parts of a window: pieces in which a language can be heard, and the halves to decode again."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from kernels.mel.audio import SAMPLE_RATE
from server.pipeline.stages.coverage import Stretch
from server.pipeline.window import Window

SHORTEST = 1.5  # seconds from which a language can be heard; measured with base on clips of eight languages
LONGEST = 6.0  # seconds of a piece
QUIET_FRAME = SAMPLE_RATE // 50  # 20 ms
NEIGHBOURHOOD = 0.5  # seconds
ALIKE = 0.8  # of the longest pause: a pause that is as good a place to cut


def pieces(window: Window) -> list[Stretch]:
    """Divide a window's speech into pieces of about 1.5 to 6 s, at pauses and, in long speech, at quiet moments."""
    found = [piece for span in window.speech for piece in _divided(window, span)]
    index = 0
    while len(found) > 1 and index < len(found):
        start, end = found[index]
        if end - start >= SHORTEST:
            index += 1
            continue
        before = start - found[index - 1][1] if index else float("inf")
        after = found[index + 1][0] - end if index + 1 < len(found) else float("inf")
        first = index - 1 if before <= after else index
        found[first : first + 2] = [(found[first][0], found[first + 1][1])]
        index = first
    return found


def best_cut(window: Window, stretch: Stretch) -> float | None:
    """Return the moment at which a window is best cut to hear a stretch of it anew; None if it is too short for that.

    The moment is in a pause that touches the stretch, else in any pause: in the one nearest to the middle of the
    stretch of those that are about as long as the longest. Without a pause it is the quietest moment in the middle.
    """
    pauses = [(end, start) for (_, end), (start, _) in pairwise(window.speech)]
    begin, end = stretch[0] - NEIGHBOURHOOD, stretch[1] + NEIGHBOURHOOD
    near = [pause for pause in pauses if pause[1] >= begin and pause[0] <= end] or pauses
    if near:
        longest = max(last - first for first, last in near)
        moments = [(first + last) / 2 for first, last in near if last - first >= ALIKE * longest]
        return min(moments, key=lambda moment: abs(moment - (stretch[0] + stretch[1]) / 2))
    length = stretch[1] - stretch[0]
    if length < 2 * SHORTEST:
        return None
    return _quietest(window, stretch[0] + length / 4, stretch[1] - length / 4)


def halves(window: Window, cut: float) -> tuple[Window, Window]:
    """Cut a window in two at a moment inside it; each half gets up to 0.5 s of a pause around the cut."""
    before = tuple((start, min(end, cut)) for start, end in window.speech if start < cut)
    after = tuple((max(start, cut), end) for start, end in window.speech if end > cut)
    first = _part(window, window.start, min(cut, before[-1][1] + NEIGHBOURHOOD), before)
    second = _part(window, max(cut, after[0][0] - NEIGHBOURHOOD), window.end, after)
    return first, second


def _part(window: Window, start: float, end: float, speech: tuple[Stretch, ...]) -> Window:
    first, last = (round((moment - window.start) * SAMPLE_RATE) for moment in (start, end))
    return replace(window, start=start, samples=window.samples[first:last], speech=speech)


def _divided(window: Window, span: Stretch) -> list[Stretch]:
    start, end = span
    count = max(1, round((end - start) / LONGEST + 0.2))
    length = (end - start) / count
    inner = [_quietest(window, start + (n - 0.3) * length, start + (n + 0.3) * length) for n in range(1, count)]
    return list(pairwise([start, *inner, end]))


def _quietest(window: Window, begin: float, end: float) -> float:
    """Return the middle of the quietest 20 ms between two moments of a window, in seconds of the recording."""
    first, last = (round((moment - window.start) * SAMPLE_RATE) for moment in (begin, end))
    frames = window.samples[first:last]
    frames = frames[: len(frames) // QUIET_FRAME * QUIET_FRAME].reshape(-1, QUIET_FRAME)
    quietest = int(np.argmin(np.square(frames).sum(axis=1))) if len(frames) else 0
    return begin + (quietest + 0.5) * QUIET_FRAME / SAMPLE_RATE
