"""The time line of a container: decoded audio is put where a player would play it, with silence in the holes."""

from __future__ import annotations

from dataclasses import dataclass

JITTER = 0.1  # seconds by which frames may be early or late: time stamps are rounded, and clocks differ
OVERLAP = 0.5  # seconds by which a frame may begin before the end of the last one and still not run backwards
SKEW = 1.0  # seconds by which the clock of the stamps may be ahead of that of the samples before silence is put in
MAX_IGNORED = 20  # jumps after which the stamps are worth nothing
UNCLAIMED = 3600.0  # seconds, the longest hole in a file that claims no length
FREE_SILENCE = 60.0  # seconds of silence that any file may have
# Bytes a second that longer silence needs of the file: chosen, a third of what FFmpeg's FLAC and Opus encoders take for
# silence (146 to 227, measured on 10 minutes at 16 and 48 kHz).
SILENCE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Stamp:
    """The time of decoded samples: ``time`` in seconds from the container's start, None if unknown, and the length."""

    time: float | None
    seconds: float


class Timeline:
    """The place of each frame of a track on the container's time line, both in seconds from the container's start.

    ``size`` is the file's in bytes: a small file cannot claim hours of silence. ``claimed`` is the length that the
    container claims. Holes become silence. Stamps that run backwards, or jump further than the file can be long, are
    ignored: the audio goes on without a hole, ``ignored`` counts those places and ``first_ignored`` is the first's
    place in seconds.
    """

    def __init__(self, size: int, claimed: float | None = None) -> None:
        self.position = 0.0
        self.ignored = 0
        self.first_ignored = 0.0
        self._claimed = claimed
        self._silence_left = FREE_SILENCE + size / SILENCE_BYTES
        self._offset = 0.0  # of the stamps to the position
        self._offsets = [0.0]  # every one so far: stray stamps return to the line that they left
        self._next: float | None = None  # stamp at which the last frame ended

    def restart(self, claimed: float | None) -> None:
        """Begin the time line of a file, or of the next link of a chain, which goes on where the last one ended."""
        self._claimed = None if claimed is None else self.position + claimed
        self._offset, self._next = -self.position, 0.0
        self._offsets = [self._offset]

    def silence_before(self, frame: Stamp, following: Stamp) -> float:
        """Return the seconds of silence that belong before a frame, and go on to its end.

        ``following`` is the frame after it, which tells a single wrong stamp from a jump.
        """
        silence = 0.0 if frame.time is None else self._silence(frame.time, frame.seconds, following)
        self.position += silence + frame.seconds
        self._next = self._next + frame.seconds if frame.time is None and self._next is not None else None
        if frame.time is not None:
            self._next = frame.time + frame.seconds
        return silence

    def _silence(self, time: float, seconds: float, following: Stamp) -> float:
        if self.ignored > MAX_IGNORED:
            return 0.0
        jump = time - (self._next if self._next is not None else 0.0)
        behind = time - self._offset - self.position
        if -OVERLAP <= jump <= JITTER:
            lost = jump > seconds / 2 and behind > JITTER
            if not lost and behind <= SKEW:
                return 0.0
        elif self._returned(time):
            return 0.0
        if jump >= -OVERLAP and behind <= JITTER:
            return 0.0
        goes_on = following.time is None or following.time >= time
        if jump >= -OVERLAP and goes_on and self._plausible(behind):
            self._silence_left -= behind
            return behind
        self._ignore(behind)
        return 0.0

    def _returned(self, time: float) -> bool:
        for offset in self._offsets:
            if offset != self._offset and abs(time - offset - self.position) <= JITTER:
                self._offset = offset
                return True
        return False

    def _plausible(self, silence: float) -> bool:
        if silence > self._silence_left:
            return False
        if self._claimed is None:
            return silence <= UNCLAIMED
        disproved = self.position > self._claimed
        return disproved or self.position + silence <= 2 * self._claimed + FREE_SILENCE

    def _ignore(self, behind: float) -> None:
        if not self.ignored:
            self.first_ignored = self.position
        self.ignored += 1
        self._offset += behind
        self._offsets.append(self._offset)

    @property
    def warning(self) -> str | None:
        """A sentence on the stamps that were ignored; None if there were none."""
        if not self.ignored:
            return None
        places = "in one place" if self.ignored == 1 else f"in {self.ignored} places"
        return (
            f"The file's time stamps run backwards or jump {places}, first after {self.first_ignored:.1f} s; they were "
            "ignored there, so times after it count the audio alone."
        )
