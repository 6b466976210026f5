"""SubRip and WebVTT (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Iterator

from server.formats.cues import Cue, Piece, SpokenPart, SubtitleLayout, cues, speaker_label
from server.formats.line_breaks import clean
from server.transcript import Segment

DEFAULT_LAYOUT = SubtitleLayout()
Write = Callable[[str], str]  # takes a text and returns it as it is written in a format


def srt(segments: Iterable[Segment], layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:
    """Return the segments as a SubRip file with numbered cues; the empty string for silence.

    SubRip has neither escapes nor voices: arrows are shortened, and a speaker is written in front of the text.
    """
    blocks = [
        f"{number}\n{_time(start, ',')} --> {_time(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(_shown(segments, layout, _plain, label=True), start=1)
    ]
    return "\n".join(blocks)


def vtt(segments: Iterable[Segment], layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:
    """Return the segments as a WebVTT file with speakers as voice spans; a header without cues for silence."""
    blocks = [
        f"{_time(start, '.')} --> {_time(end, '.')}\n{text}\n"
        for start, end, text in _shown(segments, layout, _escape, label=False)
    ]
    return "WEBVTT\n\n" + "\n".join(blocks)


def _shown(
    segments: Iterable[Segment], layout: SubtitleLayout, write: Write, *, label: bool
) -> Iterator[tuple[int, int, str]]:
    """Yield the start and end of each cue in milliseconds, and its text; with highlighted words one for each word."""
    for cue in cues(segments, layout):
        name = speaker_label(cue.speaker) if label else ""
        lines = cue.lines(layout.max_line_width, name)
        before = write(name) if label else _voice(cue)
        for start, end, said in _moments(cue) if layout.highlight_words else [(cue.start, cue.end, None)]:
            first, *others = ("".join(_written(piece, said, write) for piece in line) for line in lines)
            yield start, end, "\n".join(line.rstrip() for line in [before + first, *others])


def _moments(cue: Cue) -> Iterator[tuple[int, int, SpokenPart | None]]:
    """Yield the times of a cue one after the other with the word that is said then, None in a pause."""
    clock = cue.start
    for part in (part for piece in cue.pieces for part in piece.parts):
        start, end = min(max(part.start_ms, clock), cue.end), min(part.end_ms, cue.end)
        if end <= start:
            continue
        if start > clock:
            yield clock, start, None
        yield start, end, part
        clock = end
    if clock < cue.end:
        yield clock, cue.end, None


def _written(piece: Piece, said: SpokenPart | None, write: Write) -> str:
    """Return the text of a piece, with the word that is being said underlined."""
    if said is None or not any(part is said for part in piece.parts):
        return write(piece.text)
    word = piece.text[said.begin : said.end].rstrip()
    end = said.begin + len(word)
    return f"{write(piece.text[: said.begin])}<u>{write(word)}</u>{write(piece.text[end:])}"


def _plain(text: str) -> str:
    return text.replace("-->", "->")


def _voice(cue: Cue) -> str:
    return f"<v {_escape(clean(cue.speaker))}>" if cue.speaker else ""


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def _time(ms: int, point: str) -> str:
    minutes, ms = divmod(ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}{point}{ms % 1000:03}"
