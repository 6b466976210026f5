"""Raw audio formats: those that a request names, and those that only the end of a file's name tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

RawFormat = Literal[
    "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_s8", "pcm_u8",
    "mulaw", "alaw", "g722", "g726",
]  # fmt: skip
RAW_FORMATS: tuple[RawFormat, ...] = get_args(RawFormat)

# Names of the same formats elsewhere: FFmpeg's codecs, Deepgram and Google, OpenAI's realtime sessions.
OTHER_NAMES: dict[str, RawFormat] = {
    "pcm_mulaw": "mulaw", "ulaw": "mulaw", "g711_ulaw": "mulaw", "pcm_alaw": "alaw", "g711_alaw": "alaw",
    "linear16": "pcm_s16le", "pcm16": "pcm_s16le", "linear32": "pcm_f32le", "adpcm_g722": "g722",
}  # fmt: skip
PCM_RATE = 16_000  # Hz, where the request names none: Whisper's own
TELEPHONY = {"mulaw": 8_000, "alaw": 8_000, "g726": 8_000}  # Hz (ITU-T G.711, G.726)
G722_RATE = 16_000  # Hz, the only one (ITU-T G.722)

# FFmpeg recognizes these by the end of the file's name alone, because their data have no signature.
EXTENSIONS = {
    "g722": "g722", "722": "g722", "al": "al", "alaw": "al", "ul": "ul", "ulaw": "ul", "mulaw": "ul", "sln": "sln",
    "sbc": "sbc", "msbc": "msbc", "aptx": "aptx", "aptxhd": "aptxhd", "dfpwm": "dfpwm", "rso": "rso", "g728": "g728",
    "g729": "g729", "g723_1": "g723_1", "tco": "tco", "rco": "rco", "bit": "bit",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RawAudio:
    """Raw interleaved samples without a header: their format, rate in Hz, and number of channels."""

    format: RawFormat
    sample_rate: int = PCM_RATE
    channels: int = 1


def raw_format(name: str) -> str:
    """Return our name of a raw format: ``pcm_s16le`` for ``s16le`` and ``linear16``; an unknown name is returned."""
    known = name.strip().lower()
    return OTHER_NAMES.get(known) or (f"pcm_{known}" if f"pcm_{known}" in RAW_FORMATS else known)


def telling_extension(name: str | Path) -> str | None:
    """Return the end of a file's name as FFmpeg knows it, without the dot, if the format has no signature; else None.

    telling_extension("call.G722")    # "g722"
    telling_extension("call.wav")     # None
    """
    found = re.search(r"\.([A-Za-z0-9_]{2,6})$", str(name))
    return EXTENSIONS.get(found.group(1).lower()) if found else None
