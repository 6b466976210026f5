"""The recordings of the shared audio whose exact text is known, in the order in which they are transcribed."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

LEFT_OUT = ("fsdd", "short", "containers")  # single digits, clips of a word or two, and other clips once more
FIRST = 3  # kathleen16k's residue of the first measurement (136 clips)
RESIDUES = 18  # kathleen16k has 724 clips of one reader: every residue of a checksum is a mixed sample of them
KEPT = range(7)
FRAGMENT = re.compile(r"\bf\d{6}\|")  # aeneas's names of fragments within a text


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording with the text that is spoken in it. ``file`` is relative to the audio folder and begins with its set.

    ``language`` is the code that the manifest states.
    """

    file: str
    language: str
    text: str

    @property
    def collection(self) -> str:
        """The set that the recording belongs to: the name of its folder."""
        return self.file.partition("/")[0]


def clips(audio: Path) -> list[Clip]:
    """Return every clip of the bench in the audio folder: the 136 of the first measurement, then more of kathleen16k.

    Raises OSError where the folder has no MANIFEST.tsv.
    """
    with (audio / "MANIFEST.tsv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    found = [Clip(row["file"], row["lang"], _spoken(row["text"])) for row in rows if row["text"]]
    chosen = [clip for clip in found if clip.collection not in LEFT_OUT and _residue(clip) in {None, *KEPT}]
    return sorted(chosen, key=lambda clip: _residue(clip) not in {None, FIRST})


def _residue(clip: Clip) -> int | None:
    """Return the residue of a clip of kathleen16k, None for every other clip."""
    return crc32(clip.file.encode()) % RESIDUES if clip.collection == "kathleen16k" else None


def _spoken(text: str) -> str:
    return FRAGMENT.sub("", text).replace(" / ", " ")
