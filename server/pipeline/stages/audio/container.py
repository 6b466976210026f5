"""Containers and codecs by PyAV: a file's tracks, and the samples of one, at 16 kHz and with all channels.

No other file of the package imports PyAV. Whatever it raises about a file's content becomes UnsupportedMedia, or is
counted as damage where audio came before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.error import FFmpegError

from kernels.mel.audio import SAMPLE_RATE, Float32
from server.errors import InvalidInput, UnsupportedMedia
from server.pipeline.stages.audio.formats import DEMUXERS, EXTENSION_RATES, RAW_DEMUXERS
from server.pipeline.stages.audio.links import ChainLink, links
from server.pipeline.stages.audio.mixing import Downmix
from server.pipeline.stages.audio.timeline import Stamp, Timeline
from server.pipeline.stages.audio.tracks import Track
from server.raw_formats import RawAudio, telling_extension
from server.transcript import AudioInput

CURE = (
    "Send audio as wav, flac, mp3, m4a, ogg, opus or webm, or a video file with an audio track; raw samples need "
    "input_format."
)
# A recording is not refused because its tags are not UTF-8; av 19 accepts such tags and has no option for it.
TAGS = {} if int(av.__version__.partition(".")[0]) >= 19 else {"metadata_errors": "ignore"}
BROKEN = (FFmpegError, ValueError, TypeError, RuntimeError, LookupError, ArithmeticError, AssertionError)
FAR = {"probesize": "100000000", "analyzeduration": "600000000"}  # bytes and microseconds, for audio that starts late
NO_STAMPS = 0x100  # AVFMT_GENERIC_INDEX: packets are counted, not stamped; Ogg has the flag and stamps
MAX_CHANNELS = 64  # SWR_CH_MAX of libswresample
MIN_RATE = 1000  # Hz; a lower one makes hours of a small file
MONO = ("FC",)
END = Stamp(None, 0.0)


class Piece(NamedTuple):
    """Consecutive samples at 16 kHz, float32 [n, channels], and FFmpeg's names of the channels ("FL", "NONE", ...)."""

    names: tuple[str, ...]
    samples: Float32


class Container:
    """An open link of a file. ``damaged`` counts packets that could not be decoded and were skipped."""

    def __init__(self, container: Any) -> None:
        self.damaged = 0
        self._container = container
        self._resampler: _Resampler | None = None
        self.tracks = [_track(number, stream) for number, stream in enumerate(container.streams.audio, 1)]

    @classmethod
    @contextmanager
    def opened(cls, link: ChainLink, audio: AudioInput) -> Iterator[Container]:
        """Context manager that opens a link; ``audio`` may describe raw samples.

        Raises UnsupportedMedia if it is no format that is read, or has no audio.
        """
        with ExitStack() as stack:
            container = stack.enter_context(_open(link, audio, {}))
            if not container.streams.audio and container.streams:
                container = stack.enter_context(_open(link, audio, FAR))
            if not container.streams.audio:
                raise UnsupportedMedia("The file has no audio track.", param="file", cure=CURE)
            yield cls(container)

    def claimed_seconds(self, track: Track) -> float | None:
        """Return the length that the file claims, without decoding it; None if it claims none."""
        stream = self._container.streams.audio[track.number - 1]
        if self._container.duration is not None and self._container.duration > 0:
            return float(self._container.duration / av.time_base)
        if stream.duration is not None and stream.duration > 0 and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return None

    def pieces(self, track: Track, timeline: Timeline) -> Iterator[Piece]:
        """Decode one track, with silence where the time line has holes."""
        for (stamp, frame), (following, _) in pairwise(chain(self._frames(track), [(END, None)])):
            silence = timeline.silence_before(stamp, following)
            if silence:
                yield from self._resampled(None)
                yield from _silent(round(silence * SAMPLE_RATE))
            yield from self._resampled(frame)
        yield from self._resampled(None)

    def _frames(self, track: Track) -> Iterator[tuple[Stamp, Any]]:
        stream = self._container.streams.audio[track.number - 1]
        stream.thread_type = "NONE"
        stamped = self._container.format.name == "ogg" or not self._container.format.flags & NO_STAMPS
        unit = float(stream.time_base or 0)
        start = self._container.start_time
        origin = None if start is None else start / av.time_base
        for packet in self._packets(stream):
            try:
                frames = packet.decode()
            except BROKEN:
                self.damaged += 1
                continue
            for frame in frames:
                if frame.sample_rate < MIN_RATE:
                    self.damaged += 1
                    continue
                time = frame.pts * unit if stamped and frame.pts is not None else None
                origin = time if origin is None else origin
                frame.pts = None  # the time line is ours; the resampler refuses stamps that jump
                seconds = frame.samples / frame.sample_rate
                yield Stamp(None if time is None or origin is None else time - origin, seconds), frame

    def _packets(self, stream: Any) -> Iterator[Any]:
        try:
            yield from self._container.demux(stream)
        except BROKEN:  # the demuxer gave up; the audio before that is still good
            self.damaged += 1

    def _resampled(self, frame: Any) -> list[Piece]:
        """Pass a frame through the resampler, or None to empty it; a frame of another shape gets a new one."""
        pieces: list[Piece] = []
        try:
            if self._resampler and (frame is None or not self._resampler.fits(frame)):
                pieces += self._resampler.push(None)
                self._resampler = None
            if frame:
                self._resampler = self._resampler or _Resampler(frame)
                pieces += self._resampler.push(frame)
        except BROKEN:
            self.damaged += 1
            self._resampler = None
        return pieces


class _Resampler:
    """A resampler to 16 kHz for frames of one shape (rate, sample format and layout), that of ``frame``."""

    def __init__(self, frame: Any) -> None:
        names = tuple(channel.name for channel in frame.layout.channels)
        self._fold = Downmix(names) if len(names) > MAX_CHANNELS else None
        self._names = MONO if self._fold else names
        self._shape = (frame.sample_rate, frame.format.name, frame.layout.name)
        self._resampler = av.AudioResampler("flt", None, SAMPLE_RATE)

    def fits(self, frame: Any) -> bool:
        return self._shape == (frame.sample_rate, frame.format.name, frame.layout.name)

    def push(self, frame: Any) -> list[Piece]:
        if frame and self._fold:
            frame = _folded(frame, self._fold)
        frames = self._resampler.resample(frame)
        return [Piece(self._names, out.to_ndarray().reshape(-1, len(self._names))) for out in frames]


@contextmanager
def opened(source: Path, audio: AudioInput) -> Iterator[list[ChainLink]]:
    """Context manager that opens a file and returns its links, which ``Container.opened`` reads one by one."""
    with source.open("rb") as file:
        extension = audio.extension or telling_extension(source.name)
        name = f"recording.{extension}" if extension else "recording"  # FFmpeg looks at its end
        size = source.stat().st_size
        yield [ChainLink(file, 0, size, name)] if audio.raw else links(file, size, name)


def _open(link: ChainLink, audio: AudioInput, options: dict[str, str]) -> Any:
    limits = {"format_whitelist": DEMUXERS, "protocol_whitelist": ""}
    link.seek(0)
    if audio.raw is not None:
        return _open_raw(link, audio.raw, limits)
    rate = EXTENSION_RATES.get(link.name.rpartition(".")[2])
    guess = {"sample_rate": rate} if rate else {}
    try:
        return av.open(link, options=limits | guess | options, **TAGS)
    except BROKEN as error:
        raise UnsupportedMedia("The file is not audio that can be decoded.", param="file", cure=CURE) from error


def _open_raw(file: ChainLink, raw: RawAudio, limits: dict[str, str]) -> Any:
    begin = file.read(12)
    file.seek(0)
    if begin[:4] in (b"RIFF", b"RF64") and begin[8:] == b"WAVE":
        cure = "Leave input_format out: the file says itself what it is."
        raise InvalidInput(f"The file is a WAV file, not raw {raw.format}.", param="input_format", cure=cure)
    layout = {1: "mono", 2: "stereo"}.get(raw.channels, f"{raw.channels} channels")
    options = {"sample_rate": str(raw.sample_rate), "ch_layout": layout, **limits}
    try:
        return av.open(file, format=RAW_DEMUXERS[raw.format], options=options, **TAGS)
    except BROKEN as error:
        cure = "Check input_format, sample_rate and input_channels."
        raise UnsupportedMedia(f"The file is not raw {raw.format}.", param="file", cure=cure) from error


def _track(number: int, stream: Any) -> Track:
    codec = stream.codec_context
    return Track(
        number=number,
        language=stream.language if stream.language not in (None, "", "und") else None,
        title=stream.metadata.get("title") or None,
        codec=codec.name if codec is not None else "unknown codec",
        channels=codec.channels if codec is not None else 0,
        default=bool(stream.disposition & av.stream.Disposition.default),
        decodable=codec is not None,
    )


def _silent(samples: int) -> Iterator[Piece]:
    """Yield silence in pieces of at most 10 s, so that it takes no memory however long it is."""
    whole = 10 * SAMPLE_RATE
    for start in range(0, samples, whole):
        yield Piece(MONO, np.zeros((min(whole, samples - start), 1), np.float32))


def _folded(frame: Any, mix: Downmix) -> Any:
    """Mix a frame of more channels than the resampler takes to mono, at the frame's rate."""
    array = frame.to_ndarray()
    samples = array.T if frame.format.is_planar else array.reshape(frame.samples, -1)
    if samples.dtype.kind != "f":
        middle = 128 if samples.dtype == np.uint8 else 0
        samples = (samples.astype(np.float32) - middle) / (middle or np.iinfo(samples.dtype).max)
    mono = av.AudioFrame.from_ndarray(mix(samples.astype(np.float32))[None], format="flt", layout="mono")
    mono.sample_rate = frame.sample_rate
    return mono
