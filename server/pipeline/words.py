"""Completion of an aligner's word times, so that every word has times, in order and inside its window."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from server.pipeline.stages.protocols import Times
from server.pipeline.stages.text import TokenWord
from server.pipeline.window import Window
from server.transcript import Word


def timed_words(words: Sequence[TokenWord], times: Sequence[Times | None], window: Window) -> tuple[Word, ...]:
    """Give every word times in seconds of the recording, rounded to milliseconds.

    ``times`` are an Aligner's, one for each word. Words without times share the gap between their neighbours in
    proportion to their lengths in characters, and are marked as interpolated.
    """
    length = window.end - window.start
    placed = _ordered(times, length)
    filled = _fill(placed, [len(word.text.strip()) for word in words], length)
    return tuple(
        Word(
            text=word.text.strip(),
            start=round(window.start + start, 3),
            end=round(window.start + end, 3),
            score=None if placed[index] is None else _score(times[index]),
            interpolated=placed[index] is None,
        )
        for index, (word, (start, end)) in enumerate(zip(words, filled, strict=True))
    )


def _score(times: Times | None) -> float | None:
    return None if times is None or times[2] is None else round(min(1.0, max(0.0, times[2])), 4)


def _ordered(times: Sequence[Times | None], length: float) -> list[tuple[float, float] | None]:
    """Clamp times to [0, length], and move the start of a word that begins before the end of the word before it."""
    clock = 0.0
    placed: list[tuple[float, float] | None] = []
    for item in times:
        if item is None:
            placed.append(None)
            continue
        start = min(max(item[0], clock), length)
        end = min(max(item[1], start), length)
        placed.append((start, end))
        clock = end
    return placed


def _fill(
    placed: Sequence[tuple[float, float] | None], weights: Sequence[int], length: float
) -> list[tuple[float, float]]:
    filled: list[tuple[float, float]] = []
    index = 0
    while index < len(placed):
        here = placed[index]
        if here is not None:
            filled.append(here)
            index += 1
            continue
        after = next((i for i in range(index, len(placed)) if placed[i] is not None), len(placed))
        begin = filled[-1][1] if filled else 0.0
        following = placed[after] if after < len(placed) else None
        end = following[0] if following is not None else length
        filled += _share(begin, max(begin, end), weights[index:after])
        index = after
    return filled


def _share(begin: float, end: float, weights: Sequence[int]) -> list[tuple[float, float]]:
    total = sum(weights) or 1
    edges = [begin]
    for weight in weights:
        edges.append(edges[-1] + (end - begin) * weight / total)
    edges[-1] = end
    return list(itertools.pairwise(edges))
