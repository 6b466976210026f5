"""Completion of an aligner's word times: every word has times, in order, inside the speech of its window."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from server.pipeline.speech import Speech, SpeechLine, speech_in
from server.pipeline.stages.coverage import LONGEST_LETTER, LONGEST_WORD
from server.pipeline.stages.protocols import Times
from server.pipeline.stages.text import TokenWord
from server.pipeline.window import Window
from server.transcript import Word

SHORTEST = 0.02  # seconds of a word where there is room: one encoder frame
REACH = 0.35  # seconds from a pause within which the sound belongs to the word beside it
FAST = 0.03  # seconds of a character in the fastest speech

Interval = tuple[float, float]


def timed_words(words: Sequence[TokenWord], times: Sequence[Times | None], window: Window) -> tuple[Word, ...]:
    """Give every word times in seconds of the recording, rounded to milliseconds.

    ``times`` are an Aligner's, one for each word. No word lies outside the window's speech or over a pause, none is
    empty, and none is longer than 0.25 s and 0.12 s a letter unless there is speech throughout. Words without times
    share the speech between their neighbours in proportion to their characters, and are marked as interpolated.
    """
    texts = [word.text.strip() for word in words]
    line = SpeechLine(speech_in(window))
    spans = _in_speech(_fill(_ordered(times, line), texts, line.length), texts, line)
    return tuple(
        Word(
            text=text,
            start=round(window.start + start, 3),
            end=round(window.start + end, 3),
            score=_score(found),
            interpolated=found is None,
        )
        for text, found, (start, end) in zip(texts, times, spans, strict=True)
    )


def _score(times: Times | None) -> float | None:
    return None if times is None or times[2] is None else round(min(1.0, max(0.0, times[2])), 4)


def _ordered(times: Sequence[Times | None], line: SpeechLine) -> list[Interval | None]:
    """Return times as positions in the speech, none before the end of the word before it."""
    clock = 0.0
    placed: list[Interval | None] = []
    for item in times:
        if item is None:
            placed.append(None)
            continue
        start = max(line.position(item[0]), clock)
        clock = max(line.position(item[1]), start)
        placed.append((start, clock))
    return placed


def _fill(placed: Sequence[Interval | None], texts: Sequence[str], length: float) -> list[Interval]:
    """Give the words without positions those between their neighbours, who give way where that is too little."""
    filled: list[Interval] = []
    index = 0
    while index < len(placed):
        here = placed[index]
        if here is not None:
            filled.append(here)
            index += 1
            continue
        after = next((i for i in range(index, len(placed)) if placed[i] is not None), len(placed))
        following = placed[after] if after < len(placed) else None
        begin, end = filled[-1][1] if filled else 0.0, following[0] if following is not None else length
        if end - begin < FAST * sum(map(len, texts[index:after])):
            # No room: the neighbours take part in the division.
            first = index - 1 if filled else index
            begin = filled.pop()[0] if filled else begin
            end = following[1] if following is not None else end
            after = after + 1 if following is not None else after
            filled += _share(begin, end, texts[first:after])
        else:
            filled += _share(begin, end, texts[index:after])
        index = after
    return filled


def _share(begin: float, end: float, texts: Sequence[str]) -> list[Interval]:
    total = sum(map(len, texts)) or 1
    edges = [begin + (end - begin) * done / total for done in itertools.accumulate(map(len, texts), initial=0)]
    return list(itertools.pairwise(edges))


def _in_speech(positions: Sequence[Interval], texts: Sequence[str], line: SpeechLine) -> list[Interval]:
    """Return times in seconds from the window's start: each word within the stretch of speech that has most of it.

    The first and the last word of a stretch reach to its ends.
    """
    stretches = [line.stretch_of(*position) for position in positions]
    spans: list[Interval] = []
    for stretch, group in itertools.groupby(range(len(positions)), key=lambda index: stretches[index]):
        inside = [(line.seconds(a, stretch), line.seconds(b, stretch)) for a, b in (positions[i] for i in group)]
        speech = line.speech[stretch]
        spans += _apart(_reaching(inside, speech) if speech.heard else inside, speech)
    return [
        span if line.speech[stretch].heard else _shortened(span, text)
        for span, text, stretch in zip(spans, texts, stretches, strict=True)
    ]


def _reaching(spans: list[Interval], speech: Speech) -> list[Interval]:
    (first, first_end), last = spans[0], spans[-1][1]
    if first - speech.start <= REACH:
        spans[0] = (speech.start, first_end)
    if speech.end - last <= REACH:
        spans[-1] = (spans[-1][0], speech.end)
    return spans


def _apart(spans: Sequence[Interval], speech: Speech) -> list[Interval]:
    """Move words that are empty or almost so, until each has SHORTEST, or its equal share of the stretch."""
    least = min(SHORTEST, speech.length / len(spans))
    clock, forward = speech.start, []
    for start, end in spans:
        start = max(start, clock)
        clock = max(end, start + least)
        forward.append((start, clock))
    limit, backward = speech.end, []
    for start, end in reversed(forward):
        end = min(end, limit)
        limit = min(start, end - least)
        backward.append((limit, end))
    return backward[::-1]


def _shortened(span: Interval, text: str) -> Interval:
    """Cut a word that is too slow to be speech: at its end if a pause is written after it, otherwise at its start."""
    start, end = span
    longest = LONGEST_WORD + LONGEST_LETTER * sum(map(str.isalnum, text))
    if end - start <= longest:
        return span
    return (start, start + longest) if not text[-1:].isalnum() else (end - longest, end)
