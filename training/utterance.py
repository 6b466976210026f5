"""The output of a synthetic voice: samples with the times of the spoken phones and words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PHONES = (
    "pau aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh"
).split()
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Span:
    """A phone or a word with its start and end in seconds."""

    label: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """A spoken text: float32 mono samples at 16 kHz; ``words`` is None if they have no times."""

    text: str
    voice: str
    samples: NDArray[np.float32]
    phones: tuple[Span, ...] = ()
    words: tuple[Span, ...] | None = None


def phone_track(phones: tuple[Span, ...], frames: int, start: float = 0.0) -> NDArray[np.int8]:
    """Return the phone at the middle of each 20 ms frame from ``start`` on, as an index into PHONES, else UNKNOWN."""
    track = np.full(frames, UNKNOWN, np.int8)
    for span in phones:
        first, last = (round((t - start) / 0.02) for t in (span.start, span.end))
        track[max(first, 0) : max(last, 0)] = PHONES.index(span.label) if span.label in PHONES else UNKNOWN
    return track
