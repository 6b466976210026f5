"""The audio tracks of a file, and the choice of one by number, by language or by the default flag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.errors import InvalidInput
from server.languages import tag_language

PARAM = "audio_track"


@dataclass(frozen=True, slots=True)
class Track:
    """An audio track. ``number`` counts the audio tracks of the file from 1; ``decodable``: FFmpeg has its decoder."""

    number: int
    language: str | None
    title: str | None
    codec: str
    channels: int
    default: bool
    decodable: bool

    def __str__(self) -> str:
        details = [self.language or "no language", *([repr(self.title)] if self.title else []), self.codec]
        return f"{self.number} ({', '.join(details)}{', default' if self.default else ''})"


def chosen(tracks: Sequence[Track], wanted: str | None) -> list[Track]:
    """Return the tracks that ``wanted`` allows, best first; the later ones are for a first one without any audio.

    ``wanted`` is a number from 1, a language as a tag (``de``, ``ger``, ``deu``, ``de-AT``) or English name, or
    ``default``. None and ``default`` mean the tracks with the default flag, then the others.

    Raises InvalidInput, with the list of tracks, if there is no such track or it cannot be decoded.
    """
    usable = [track for track in tracks if track.decodable]
    if wanted is None or wanted.lower() == "default":
        return sorted(usable, key=lambda track: not track.default)
    if wanted.isascii() and wanted.isdigit():
        found = [track for track in tracks if track.number == int(wanted)]
    else:
        exact = [track for track in tracks if (track.language or "").lower() == wanted.lower()]
        found = exact or [t for t in tracks if t.language and tag_language(t.language) == tag_language(wanted)]
    if not found:
        raise _refusal(f"The file has no audio track {wanted!r}.", tracks)
    if not (found := [track for track in found if track.decodable]):
        raise _refusal(f"The audio track {wanted!r} cannot be decoded.", tracks)
    return sorted(found, key=lambda track: not track.default)[:1]


def _refusal(message: str, tracks: Sequence[Track]) -> InvalidInput:
    return InvalidInput(
        message, param=PARAM, cure=f"Its audio tracks are {'; '.join(map(str, tracks))}. Send a number or a language."
    )
