"""Chained files: whole files of one format, one behind the other, as stream recorders and ``cat`` make them.

Ogg allows it (RFC 3533, section 4), and FFmpeg stops where the next link has other channels. Of joined WAV files it
reads the first, and of joined FLAC files it mistakes the rate of the next.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import BinaryIO

MOST = 1000  # links; what follows counts as part of the last one
OGG_PAGE = 27  # bytes of a page's header before its table of segments
FIRST_PAGE = b"OggS\0\2"  # a page that begins a logical stream
FLAC = b"fLaC\0\0\0\x22"  # the signature, and the header of a STREAMINFO block that another follows


class ChainLink:
    """A part of a file, from ``start`` to ``end`` in bytes, that reads like a file of its own called ``name``."""

    def __init__(self, file: BinaryIO, start: int, end: int, name: str) -> None:
        self.name = name
        self.size = end - start
        self._file, self._start, self._end = file, start, end
        self.seek(0)

    def read(self, size: int = -1) -> bytes:
        left = max(self._end - self._file.tell(), 0)
        return self._file.read(left if size < 0 else min(size, left))

    def seek(self, offset: int, whence: int = 0) -> int:
        begin = (self._start, self._file.tell(), self._end)[whence]
        inside = min(max(begin + offset, self._start), self._end)  # damaged files point anywhere, even beyond 2**63
        return self._file.seek(inside) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def seekable(self) -> bool:
        return True


def links(file: BinaryIO, size: int, name: str) -> list[ChainLink]:
    """Return the links of a file of ``size`` bytes: a single one unless it is a chain."""
    file.seek(0)
    begin = file.read(12)
    starts = list(islice(_starts(file, begin), MOST)) if size > len(begin) else []
    bounds = [0, *(start for start in starts if start), size]
    return [ChainLink(file, start, end, name) for start, end in pairwise(bounds)]


def _starts(file: BinaryIO, begin: bytes) -> Iterator[int]:
    if begin[:4] == b"RIFF" and begin[8:] == b"WAVE":
        yield from _wav_starts(file)
    elif begin[:4] in (b"OggS", b"fLaC"):
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from _ogg_starts(data) if begin[:4] == b"OggS" else _places(data, FLAC)


def _wav_starts(file: BinaryIO) -> Iterator[int]:
    start = 0
    while True:
        file.seek(start)
        head = file.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return
        yield start
        length = int.from_bytes(head[4:8], "little")
        start += 8 + length + length % 2


def _ogg_starts(data: mmap.mmap) -> Iterator[int]:
    """Yield where links begin: at a first page that does not follow another one, as those of one link do."""
    end = -1
    for place in _places(data, FIRST_PAGE):
        if place != end:
            yield place
        if place + OGG_PAGE <= len(data):
            segments = data[place + OGG_PAGE - 1]
            end = place + OGG_PAGE + segments + sum(data[place + OGG_PAGE : place + OGG_PAGE + segments])


def _places(data: mmap.mmap, pattern: bytes) -> Iterator[int]:
    place = data.find(pattern)
    while place >= 0:
        yield place
        place = data.find(pattern, place + 1)
