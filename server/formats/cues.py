"""The division of a transcript into subtitles that can be read in the time they are shown."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from server.formats.line_breaks import clean, line_starts, pieces, width
from server.formats.rounding import whole_milliseconds
from server.transcript import Segment

LONGEST_MS = 7_000  # this and the next two: Netflix's Timed Text Style Guide has 7 s, 5/6 s, 20 characters a second
SHORTEST_MS = 1_000
COLUMNS_PER_SECOND = 21
PAUSE_MS = 1_000  # a cue shows no word across a longer pause, because it would show it long before it is said
SHORT_PAUSE_MS = 300
CLAUSE_ENDS = tuple(",;:.?!…—–、，；：。．？！؟،؛।۔")

# The cost of a division, in cues: chosen so that a sentence has a cue of its own unless that would be gone too soon.
MISSING_SECOND = 3.0
SENTENCES_TOGETHER = 1.2
PAUSED_SECOND = 1.0
FULLNESS = 0.75  # squared, so that the cues of a long sentence are about equal
CUT_AT_CLAUSE = 0.2
CUT_IN_CLAUSE = 1.5


@dataclass(frozen=True, slots=True)
class SubtitleLayout:
    """The look of subtitles, as WhisperX's options of these names have it.

    ``max_line_width`` is in columns (a wide East Asian character has two); a longer word has a line of its own.
    ``highlight_words`` underlines every word while it is said.
    """

    max_line_width: int = 42  # the length of a line that broadcasters' guides allow
    max_line_count: int = 2
    highlight_words: bool = False


@dataclass(frozen=True, slots=True)
class SpokenPart:
    """A word, or the part of it that lies in one piece: its offsets in the piece's text, and its times."""

    begin: int
    end: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A text that is neither cut nor broken: a word with the space after it, or a phrase without spaces."""

    text: str
    parts: tuple[SpokenPart, ...]
    speaker: str | None
    begins_sentence: bool = False

    @property
    def start(self) -> int:
        return self.parts[0].start_ms

    @property
    def end(self) -> int:
        return self.parts[-1].end_ms


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle, shown from ``start`` to ``end``: whole milliseconds, so that none can be written with 1000 ms."""

    start: int
    end: int
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces).rstrip()

    @property
    def speaker(self) -> str | None:
        return self.pieces[0].speaker

    def lines(self, limit: int, label: str = "") -> list[tuple[Piece, ...]]:
        """Return the pieces line by line; ``label`` takes its place on the first line."""
        texts = [label, *(piece.text for piece in self.pieces)] if label else [piece.text for piece in self.pieces]
        shift = 1 if label else 0
        starts = [max(0, start - shift) for start in line_starts(texts, limit)]
        return [self.pieces[begin:end] for begin, end in itertools.pairwise([*starts, len(self.pieces)])]


def speaker_label(speaker: str | None) -> str:
    """Return the speaker as a text before the words; the empty string without a speaker."""
    return f"[{clean(speaker)}]: " if speaker else ""


def cues(segments: Iterable[Segment], layout: SubtitleLayout) -> Iterator[Cue]:
    """Yield the subtitles of segments that are in order of time; none is empty.

    None overlaps the one before, unless it is another speaker's and both talk at once.
    """
    found = [cue for voice in _voices(segments) for cue in _voice_cues(voice, layout)]
    yield from sorted(found, key=lambda cue: cue.start)


def _voices(segments: Iterable[Segment]) -> list[list[Segment]]:
    """Return all segments as one list; if speakers talk at once, one list for each of them."""
    every = list(segments)
    pairs = itertools.pairwise(every)
    if not any(after.start < before.end and after.speaker != before.speaker for before, after in pairs):
        return [every]
    voices: dict[str | None, list[Segment]] = {}
    for segment in every:
        voices.setdefault(segment.speaker, []).append(segment)
    return list(voices.values())


def _voice_cues(segments: Iterable[Segment], layout: SubtitleLayout) -> Iterator[Cue]:
    divided = [cue for stretch in _stretches(_pieces(segments, layout)) for cue in _divide(stretch, layout)]
    shown_until = 0
    for cue, following in itertools.zip_longest(divided, divided[1:]):
        start = max(cue.start, shown_until)
        end = max(cue.end, start + 1)
        wanted = max(end, start + _reading_ms(width(cue.text)))
        if following is not None:  # a cue that is spoken into keeps the screen for a second
            wanted = min(wanted, max(following.start, min(end, start + SHORTEST_MS)))
        shown_until = max(start + 1, min(wanted, start + LONGEST_MS))
        yield replace(cue, start=start, end=shown_until)


def _reading_ms(columns: int) -> int:
    return max(SHORTEST_MS, -(-columns * 1000 // COLUMNS_PER_SECOND))


def _pieces(segments: Iterable[Segment], layout: SubtitleLayout) -> list[Piece]:
    """Return the text of all segments in pieces, with times interpolated inside a word that has several pieces."""
    found: list[Piece] = []
    for segment in segments:
        text = clean(segment.text).strip()
        if not text:
            continue
        if found and segment.text[0].isspace():
            found[-1] = replace(found[-1], text=found[-1].text.rstrip() + " ")
        spoken, begin = _spoken(segment, text), 0
        for number, piece in enumerate(pieces(text, layout.max_line_width)):
            end = begin + len(piece)
            parts = tuple(_part(word, begin, end) for word in spoken if word.begin < end and begin < word.end)
            found.append(Piece(piece, parts, segment.speaker, begins_sentence=number == 0))
            begin = end
    return found


def _spoken(segment: Segment, text: str) -> list[SpokenPart]:
    """Return the words of a segment with their places in ``text``, which they share out without a gap.

    The times never run backwards. A segment without words is one long word.
    """
    marks: list[tuple[int, float, float]] = []
    cursor = 0
    for word in segment.words:
        written = clean(word.text).strip()
        place = text.find(written, cursor)
        if written and place >= 0:
            marks.append((place if marks else 0, word.start, word.end))
            cursor = place + len(written)
    marks = marks or [(0, segment.start, segment.end)]
    ends = [begin for begin, _, _ in marks[1:]] + [len(text)]
    spoken: list[SpokenPart] = []
    clock = 0
    for (begin, start, stop), end in zip(marks, ends, strict=True):
        start_ms = max(clock, whole_milliseconds(start))
        clock = max(start_ms, whole_milliseconds(stop))
        spoken.append(SpokenPart(begin, end, start_ms, clock))
    return spoken


def _part(word: SpokenPart, begin: int, end: int) -> SpokenPart:
    """Return the part of a word between two offsets in the text; the offsets of the part count from ``begin``."""
    first, last = max(word.begin, begin), min(word.end, end)
    per_character = (word.end_ms - word.start_ms) / (word.end - word.begin)
    return SpokenPart(
        first - begin,
        last - begin,
        word.start_ms + round((first - word.begin) * per_character),
        word.start_ms + round((last - word.begin) * per_character),
    )


def _stretches(found: Sequence[Piece]) -> Iterator[tuple[Sequence[Piece], int]]:
    """Yield pieces of one speaker without a pause of more than PAUSE_MS, and the start of the next piece after them."""
    begin = 0
    for end in range(1, len(found) + 1):
        following = found[end] if end < len(found) else None
        last = found[end - 1]
        if following is None or following.speaker != last.speaker or following.start - last.end > PAUSE_MS:
            yield found[begin:end], following.start if following else last.end + LONGEST_MS
            begin = end


def _divide(stretch: tuple[Sequence[Piece], int], layout: SubtitleLayout) -> Iterator[Cue]:
    """Yield the cues of the cheapest division of a stretch (dynamic programming over the ends of cues)."""
    found, _ = stretch
    cheapest: list[tuple[float, int]] = [(0.0, 0)] + [(float("inf"), 0)] * len(found)
    sizes = [(width(piece.text), width(piece.text.rstrip())) for piece in found]
    for begin in range(len(found)):
        for end, cost in _candidates(stretch, begin, sizes, layout):
            cheapest[end] = min(cheapest[end], (cheapest[begin][0] + cost, begin))
    ends = [len(found)]
    while ends[-1] > 0:
        ends.append(cheapest[ends[-1]][1])
    for begin, end in itertools.pairwise(reversed(ends)):
        yield Cue(found[begin].start, found[end - 1].end, tuple(found[begin:end]))


def _candidates(
    stretch: tuple[Sequence[Piece], int], begin: int, sizes: Sequence[tuple[int, int]], layout: SubtitleLayout
) -> Iterator[tuple[int, float]]:
    """Yield the end and the cost of every cue that could begin at a piece: at least that piece alone."""
    found, following = stretch
    first = found[begin]
    column = width(speaker_label(first.speaker))
    lines, columns, burden = 1, 0, 0.0
    for index in range(begin, len(found)):
        piece, (full, visible) = found[index], sizes[index]
        if column and column + visible > layout.max_line_width:
            lines, column = lines + 1, 0
        if index > begin:
            if lines > layout.max_line_count or piece.end - first.start > LONGEST_MS:
                return
            burden += SENTENCES_TOGETHER * piece.begins_sentence
            burden += PAUSED_SECOND * max(0, piece.start - found[index - 1].end - SHORT_PAUSE_MS) / 1000
        last = index + 1 == len(found)
        until = following if last else found[index + 1].start
        reading = _reading_ms(columns + visible)
        shown = min(max(piece.end - first.start, reading), until - first.start, LONGEST_MS)
        cost = 1 + burden + MISSING_SECOND * max(0, reading - shown) / 1000
        cost += FULLNESS * ((columns + visible) / (layout.max_line_width * layout.max_line_count)) ** 2
        if not last and not found[index + 1].begins_sentence:
            paused = found[index + 1].start - piece.end >= SHORT_PAUSE_MS
            cost += CUT_AT_CLAUSE if paused or piece.text.rstrip().endswith(CLAUSE_ENDS) else CUT_IN_CLAUSE
        yield index + 1, cost
        column += full
        columns += full
