"""The second try at a window some of whose speech has no text or another language: its two halves, decoded apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.pipeline.stages.coverage import seconds
from server.pipeline.stages.protocols import WindowText

GAIN = 1.0  # seconds of speech for which the halves must account beyond the whole; less is chance


@dataclass(frozen=True, slots=True)
class Half:
    """The place of a half: its ``recheck``, and 0 or 1 for the first or the second."""

    recheck: Recheck
    place: int

    @property
    def depth(self) -> int:
        """The number of cuts that led to this half, at least 1."""
        above = self.recheck.above
        return 1 if above is None else above.depth + 1


class Recheck:
    """The text of a whole window, and those of its halves as they come; the better of the two stays.

    ``above`` is the place of the window itself if it is a half of another one, None otherwise.
    """

    def __init__(self, whole: WindowText, above: Half | None) -> None:
        self.above = above
        self._whole = whole
        self._halves: list[Sequence[WindowText]] = [(), ()]

    def add(self, place: int, texts: Sequence[WindowText]) -> Sequence[WindowText] | None:
        """Store the texts of a half, of which there are several if it was cut again.

        Return the better texts of the window once both halves are there, None before.
        """
        self._halves[place] = texts
        if not all(self._halves):
            return None
        parts = [*self._halves[0], *self._halves[1]]
        return parts if self._better(parts) else [self._whole]

    def _better(self, parts: Sequence[WindowText]) -> bool:
        """Return True if a part has another language, or if the parts leave less speech without text than the whole."""
        gain = _lost([self._whole]) - _lost(parts)
        changed = any(part.decoded.words and part.language != self._whole.language for part in parts)
        return gain > -GAIN if changed else gain >= GAIN


def settled(text: WindowText, half: Half | None) -> Sequence[WindowText] | None:
    """Return the texts of a whole window, of which ``text`` is the last to come, None while a half is missing.

    ``half`` is the place of ``text``, None if it is that of the whole window.
    """
    texts: Sequence[WindowText] = [text]
    while half is not None:
        better = half.recheck.add(half.place, texts)
        if better is None:
            return None
        half, texts = half.recheck.above, better
    return texts


def _lost(texts: Sequence[WindowText]) -> float:
    return sum(seconds(text.window.speech, *stretch) for text in texts for stretch in text.lost)
