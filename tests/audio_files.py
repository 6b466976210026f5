"""Recordings in the containers that users send, written with PyAV."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

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


def joined(blocks: Iterable[Float32]) -> Float32:
    """Return the blocks of a recording as one array, float32 [n]."""
    arrays = list(blocks)
    return np.concatenate(arrays) if arrays else np.zeros(0, np.float32)
