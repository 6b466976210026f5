"""Audio decoding by PyAV: any container in, float32 mono 16 kHz blocks out, in bounded memory.

No other file of the package imports PyAV.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.error import FFmpegError

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.errors import TooLarge, UnsupportedMedia

# Playlists and concat lists name further files and URLs, which an upload must never make this server open.
DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,gsm,m4v,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,"
    "mp3,mpeg,mpegts,ogg,opus,tta,voc,w64,wav,wv"
)
BLOCK_SECONDS = 10
# A recording is not refused because its tags are not UTF-8; av 19 accepts such tags and has no option for it.
TAGS = {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "ignore"}
CURE = "Send audio as wav, flac, mp3, m4a, ogg, opus or webm, or a video file with an audio track."


class AudioStream:
    """An iterable that decodes one recording, block by block, in bounded memory.

    ``duration`` is the length in seconds that the container claims, None if it claims none or iteration has not begun;
    ``damaged`` counts packets that could not be decoded and were skipped.

    Iteration raises UnsupportedMedia if the file holds no audio that can be decoded, and TooLarge beyond
    ``max_seconds``. An empty file is a recording of no length.
    """

    def __init__(self, source: Path, *, max_seconds: float = float("inf"), block_seconds: int = BLOCK_SECONDS) -> None:
        self.source = source
        self.max_seconds = max_seconds
        self.block = block_seconds * SAMPLE_RATE
        self.duration: float | None = None
        self.damaged = 0
        self._samples = 0

    @property
    def seconds(self) -> float:
        """Seconds of audio decoded so far."""
        return self._samples / SAMPLE_RATE

    def __iter__(self) -> Iterator[Float32]:
        """Yield blocks of samples, float32 [n] in [-1, 1]; n is block_seconds * 16,000 except in the last block."""
        if os.path.getsize(self.source) == 0:  # noqa: PTH202
            return
        with self.source.open("rb") as file, _open(file) as container:
            stream = _audio_stream(container)
            self.duration = _claimed_seconds(container, stream)
            yield from self._blocks(self._frames(container, stream))
        if self._samples == 0 and self.damaged:
            raise UnsupportedMedia("None of the audio in the file can be decoded.", param="file", cure=CURE)

    def _frames(self, container: Any, stream: Any) -> Iterator[Float32]:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        try:
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except FFmpegError:
                    self.damaged += 1
                    continue
                for frame in frames:
                    frame.pts = None  # damaged files have jumping time stamps, which the resampler refuses
                    yield from map(_samples, resampler.resample(frame))
            yield from map(_samples, resampler.resample(None))
        except FFmpegError:  # the demuxer gave up; the audio before that is still good
            self.damaged += 1

    def _blocks(self, frames: Iterator[Float32]) -> Iterator[Float32]:
        pending: list[Float32] = []
        held = 0
        for frame in frames:
            self._samples += len(frame)
            if self.seconds > self.max_seconds:
                raise TooLarge(
                    f"The recording is longer than {self.max_seconds:.0f} s.",
                    param="file",
                    cure="Split it, or raise server.max_audio_seconds.",
                )
            pending.append(frame)
            held += len(frame)
            while held >= self.block:
                joined = np.concatenate(pending)
                yield joined[: self.block]
                pending, held = [joined[self.block :]], held - self.block
        if held:
            yield np.concatenate(pending)


def claimed_seconds(source: Path) -> float | None:
    """Return the length in seconds that a file claims, without decoding it; None if it claims none or has no audio."""
    try:
        with source.open("rb") as file, _open(file) as container:
            return _claimed_seconds(container, _audio_stream(container))
    except UnsupportedMedia:
        return None


def _open(file: BinaryIO) -> Any:
    try:
        return av.open(file, options={"format_whitelist": DEMUXERS, "protocol_whitelist": ""}, **TAGS)
    except (FFmpegError, ValueError) as error:
        raise UnsupportedMedia("The file is not audio that can be decoded.", param="file", cure=CURE) from error


def _audio_stream(container: Any) -> Any:
    stream = next((s for s in container.streams.audio if s.codec_context is not None), None)
    if stream is None:
        raise UnsupportedMedia("The file has no audio track.", param="file", cure=CURE)
    stream.thread_type = "NONE"
    return stream


def _claimed_seconds(container: Any, stream: Any) -> float | None:
    if container.duration is not None and container.duration > 0:
        return float(container.duration / av.time_base)
    if stream.duration is not None and stream.duration > 0 and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None


def _samples(frame: Any) -> Float32:
    samples: Float32 = frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)
    if not np.isfinite(samples).all():
        samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(samples, -1.0, 1.0)
