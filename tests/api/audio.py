"""Recordings generated for the tests: valid, short, damaged, and files without audio."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib

import av
import numpy as np
import soundfile
from numpy.typing import NDArray


def tone(seconds: float, rate: int = 16_000) -> NDArray[np.float32]:
    """Return a chord whose level rises and falls four times a second, at most -6 dB."""
    t = np.arange(int(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 330.0, 440.0)) / 3
    return (0.5 * chord * np.abs(np.sin(4 * np.pi * t))).astype(np.float32)


def sound(samples: NDArray[np.float32], rate: int, container: str = "WAV", subtype: str = "PCM_16") -> bytes:
    """Encode samples [T] or [T, channels] as the bytes of an audio file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=container, subtype=subtype)
    return buffer.getvalue()


def video() -> bytes:
    """Return an MP4 of one second with a picture track before the sound track."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        track = container.add_stream("aac", rate=16_000)
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
        for block in np.split(tone(1.024), 16):
            sound_frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
            sound_frame.rate = 16_000
            container.mux(track.encode(sound_frame))
        container.mux(track.encode())
    return buffer.getvalue()


def silent_film() -> bytes:
    """Return an MP4 without a sound track."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux(picture.encode(frame))
        container.mux(picture.encode())
    return buffer.getvalue()


def png() -> bytes:
    """Return a PNG of one black pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def zip_bomb() -> bytes:
    """Return a zip archive that holds 64 MiB of zeros in a few kilobytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.wav", bytes(64 * 1024 * 1024))
    return buffer.getvalue()


WAV = sound(tone(1.0), 16_000)
HEARD = {
    "mono-16k.wav": WAV,
    "eight-channels.wav": sound(np.repeat(tone(1.0)[:, None], 8, axis=1), 16_000),
    "8kHz.wav": sound(tone(1.0, 8_000), 8_000),
    "96kHz-24bit.wav": sound(tone(1.0, 96_000), 96_000, subtype="PCM_24"),
    "float.wav": sound(tone(1.0), 16_000, subtype="FLOAT"),
    "mulaw.wav": sound(tone(1.0, 8_000), 8_000, subtype="ULAW"),
    "flac.flac": sound(tone(1.0), 16_000, "FLAC"),
    "vorbis.ogg": sound(tone(1.0), 16_000, "OGG", "VORBIS"),
    "film.mp4": video(),
    "wrong-extension.mp3": sound(tone(1.0), 16_000, "FLAC"),
    "no-extension": WAV,
}
SHORT = {
    "empty.wav": b"",
    "header-only.wav": sound(tone(0.0), 16_000),
    "one-sample.wav": sound(tone(1 / 16_000), 16_000),
}
DAMAGED = {
    "cut.flac": sound(tone(1.0), 16_000, "FLAC")[:9000],
    "cut.wav": WAV[:20_000],
    "nan.wav": sound(np.full(16_000, np.nan, np.float32), 16_000, subtype="FLOAT"),
    "infinite.wav": sound(np.full(16_000, np.inf, np.float32), 16_000, subtype="FLOAT"),
}
NO_AUDIO = {
    "page.html": b"<!doctype html><title>404</title>" * 20,
    "text.txt": b"This is not a recording.\n" * 50,
    "list.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "picture.png": png(),
    "archive.zip": zip_bomb(),
    "packed.wav.gz": gzip.compress(WAV),
    "noise.wav": np.random.default_rng(1).bytes(5000),
    "silent-film.mp4": silent_film(),
    "riff.wav": b"RIFF",
}
