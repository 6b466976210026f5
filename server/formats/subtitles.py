"""SubRip and WebVTT (https://www.w3.org/TR/webvtt1/), with cues that can be read in the time they are shown."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from server.formats.rounding import whole_milliseconds
from server.transcript import Segment

LINE_CHARACTERS = 42  # the length of a line that broadcasters' guides allow
CUE_LINES = 2
USUAL_CHARACTERS = 76  # the text that fits on two lines when they are broken between words
CUE_MS = 7_000  # longest time on the screen


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle: a text shown from ``start`` to ``end``.

    The times are whole milliseconds, so that none can be written with 1000 ms.
    """

    start: int
    end: int
    text: str
    speaker: str | None = None


def srt(segments: Iterable[Segment]) -> str:
    """Return the segments as a SubRip file with numbered cues; the empty string for silence."""
    blocks = [
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{_lines(_srt_text(cue))}\n"
        for number, cue in enumerate(cues(segments), start=1)
    ]
    return "\n".join(blocks)


def vtt(segments: Iterable[Segment]) -> str:
    """Return the segments as a WebVTT file with speakers as voice spans; a header without cues for silence."""
    blocks = [
        f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{_voice(cue)}{_escape(_lines(cue.text))}\n"
        for cue in cues(segments)
    ]
    return "WEBVTT\n\n" + "\n".join(blocks)


def cues(segments: Iterable[Segment]) -> Iterator[Cue]:
    """Yield subtitles of the segments in order of time, short enough to read; none overlaps the one before."""
    shown_until = 0
    for segment in segments:
        for cue in _split(segment):
            start = max(cue.start, shown_until)
            shown_until = max(cue.end, start + 1)
            yield replace(cue, start=start, end=shown_until)


def _split(segment: Segment) -> Iterator[Cue]:
    """Yield the cues of one segment. A cue too long to read or to show is cut between words into about equal parts."""
    pieces = list(_pieces(segment))
    whole = replace(pieces[0], end=max(piece.end for piece in pieces), text=segment.text)
    share = len(whole.text) if _readable(whole) else len(whole.text) / _parts(whole)
    shown = pieces[0]
    for piece in pieces[1:]:
        longer = replace(shown, end=max(piece.end, shown.end), text=shown.text + piece.text)
        if len(shown.text) >= share or not _readable(longer):
            yield shown
            longer = piece
        shown = longer
    if shown.text.strip():
        yield shown


def _parts(cue: Cue) -> int:
    return max(2, math.ceil(len(cue.text) / USUAL_CHARACTERS), math.ceil((cue.end - cue.start) / CUE_MS))


def _pieces(segment: Segment) -> Iterator[Cue]:
    """Yield the segment's text cut before each word, with the word's times; the pieces joined are exactly the text."""
    marks: list[tuple[int, int, int]] = []
    cursor = 0
    for word in segment.words:
        text = word.text.strip()
        found = segment.text.find(text, cursor)
        if text and found >= 0:
            marks.append((found if marks else 0, whole_milliseconds(word.start), whole_milliseconds(word.end)))
            cursor = found + len(text)
    marks = marks or [(0, whole_milliseconds(segment.start), whole_milliseconds(segment.end))]
    ends = [offset for offset, _, _ in marks[1:]] + [len(segment.text)]
    for (offset, start, end), stop in zip(marks, ends, strict=True):
        yield Cue(start, end, segment.text[offset:stop], segment.speaker)


def _readable(cue: Cue) -> bool:
    """Return whether a cue fits on CUE_LINES lines and lasts no longer than CUE_MS.

    Breaking text into lines takes time, so it is done only if the number of characters does not decide.
    """
    text = _srt_text(cue)
    short, long = len(text) <= LINE_CHARACTERS, len(text) > 2 * LINE_CHARACTERS * CUE_LINES
    return cue.end - cue.start <= CUE_MS and (short or (not long and _lines(text).count("\n") < CUE_LINES))


def _lines(text: str) -> str:
    """Break text into lines of at most LINE_CHARACTERS; none is empty, because an empty line would end a cue."""
    return "\n".join(textwrap.wrap(text.strip(), LINE_CHARACTERS))


def _srt_text(cue: Cue) -> str:
    """Return a cue's text for SubRip, which has no escapes and no voices.

    Arrows are shortened, and the speaker is written in front.
    """
    text = cue.text.replace("-->", "->")
    return f"[{cue.speaker}]: {text.lstrip()}" if cue.speaker else text


def _voice(cue: Cue) -> str:
    return f"<v {_escape(cue.speaker)}>" if cue.speaker else ""


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def _time(ms: int, point: str) -> str:
    minutes, ms = divmod(ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}{point}{ms % 1000:03}"
