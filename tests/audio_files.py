"""Recordings in the containers that users send, written with PyAV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from kernels.mel.audio import SAMPLE_RATE, Float32


def tone(seconds: float, rate: int = SAMPLE_RATE, hertz: float = 440.0, gain: float = 0.3) -> Float32:
    """Return a sine, float32 [seconds * rate]."""
    return (gain * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def write(
    path: Path,
    samples: Float32,
    *,
    rate: int = SAMPLE_RATE,
    codec: str = "pcm_s16le",
    channels: int = 1,
    container: str | None = None,
    video: bool = False,
) -> Path:
    """Write mono ``samples`` [n] to an audio file, the same in every channel, and return its path.

    With ``video``, the file also has a second of black pictures.
    """
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[channels]
    with av.open(str(path), "w", format=container) as output:
        picture = output.add_stream("mpeg4", rate=10) if video else None
        stream = output.add_stream(codec, rate=rate, layout=layout)
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
            for _ in range(10):
                blank = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
                output.mux(picture.encode(blank))
            output.mux(picture.encode(None))
        interleaved = np.repeat(samples, channels)[None]
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        resampler = av.AudioResampler(
            stream.format.name, layout, rate, frame_size=stream.codec_context.frame_size or None
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return path


@dataclass(frozen=True)
class TrackSource:
    """An audio track to write: mono ``samples``, from ``start`` seconds on.

    ``stamps`` changes the time of each frame, in seconds, and so makes holes and wrong stamps.
    """

    samples: Float32
    start: float = 0.0
    stamps: Callable[[float], float] = lambda time: time
    language: str | None = None
    title: str | None = None
    default: bool = False


def write_tracks(
    path: Path,
    tracks: list[TrackSource],
    *,
    codec: str = "pcm_s16le",
    rate: int = SAMPLE_RATE,
    video: float = 0.0,
    disordered: bool = False,
) -> Path:
    """Write a container with several audio tracks, or with times of its own, and ``video`` seconds of black pictures.

    With ``disordered`` (Matroska only), stamps may run backwards.
    """
    packets: list[tuple[float, av.Packet]] = []
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"} if disordered else {}) as output:
        if video:
            picture = output.add_stream("mpeg4", rate=10)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        streams = [output.add_stream(codec, rate=rate, layout="mono") for _ in tracks]
        for stream, track in zip(streams, tracks, strict=True):
            stream.metadata.update({k: v for k, v in (("language", track.language), ("title", track.title)) if v})
            stream.disposition = av.stream.Disposition.default if track.default else av.stream.Disposition(0)
        output.start_encoding()
        if video:
            for _ in range(int(video * 10)):
                blank = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
                packets += [(float(p.pts * p.time_base), p) for p in picture.encode(blank)]
            packets += [(float(p.pts * p.time_base), p) for p in picture.encode(None)]
        for stream, track in zip(streams, tracks, strict=True):
            packets += _stamped(stream, track, rate, disordered)
        for _, packet in sorted(packets, key=lambda pair: pair[0]):
            output.mux(packet)
    return path


def _stamped(stream: Any, track: TrackSource, rate: int, disordered: bool) -> Iterator[tuple[float, av.Packet]]:
    """Yield the packets of a track with the times at which they were said, which order them in the file."""
    size = stream.codec_context.frame_size or rate // 50
    for number, packet in enumerate([*_encoded(stream, track.samples, rate, size), *stream.encode(None)]):
        said = float(packet.pts * packet.time_base)
        stamp = round((track.stamps(said) + track.start) / packet.time_base)
        packet.pts = packet.dts = stamp
        if disordered:
            packet.dts = number - 10**9  # the muxer checks the order of these, and writes the others
        yield said + track.start, packet


def _encoded(stream: Any, samples: Float32, rate: int, size: int) -> Iterator[av.Packet]:
    resampler = av.AudioResampler(stream.format.name, "mono", rate)
    for start in range(0, len(samples), size):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + size], format="flt", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), start
        for part in resampler.resample(frame):
            yield from stream.encode(part)


def joined(blocks: Iterable[Float32]) -> Float32:
    """Return the blocks of a recording as one array, float32 [n]."""
    arrays = list(blocks)
    return np.concatenate(arrays) if arrays else np.zeros(0, np.float32)
